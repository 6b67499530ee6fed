//! What systemd is told.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::PATIENCE;
use crate::process::{Directory, Program};

/// What `socket` has heard until it heard `last`, each line by itself.
async fn heard(socket: &UnixDatagram, last: &str) -> Vec<String> {
    let (mut lines, began) = (Vec::new(), Instant::now());
    while !lines.iter().any(|line| line == last) {
        let mut said = [0; 256];
        match socket.recv(&mut said) {
            Ok(length) => {
                let text = std::str::from_utf8(&said[..length]).unwrap();
                lines.extend(text.lines().map(str::to_owned));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        lines.dedup();
        assert!(began.elapsed() < PATIENCE, "no {last}: {lines:?}");
    }
    lines
}

#[tokio::test]
async fn it_hears_that_the_service_starts_is_ready_lives_and_stops() {
    let directory = Directory::new();
    let path = directory.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let program = Program::quickstart()
        .with("NOTIFY_SOCKET", &path)
        .with("WATCHDOG_USEC", "100000")
        .file("[shutdown]\npre_drain = '300ms'");
    let process = program.serve().await;
    let lines = heard(&socket, "READY=1").await;
    assert!(lines[0].starts_with("EXTEND_TIMEOUT_USEC="), "{lines:?}");
    let began = Instant::now();
    for _ in 0..4 {
        heard(&socket, "WATCHDOG=1").await;
    }
    assert!(began.elapsed() >= Duration::from_millis(90), "more often than was asked for");
    process.signal("TERM");
    heard(&socket, "STOPPING=1").await;
    heard(&socket, "WATCHDOG=1").await;
    let end = process.ended().await;
    assert_eq!((end.code, &*end.complained), (0, ""));
}

#[tokio::test]
async fn a_socket_where_nobody_listens_and_another_process_watchdog_are_nothing() {
    let directory = Directory::new();
    let path = directory.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    for named in [&*path, &directory.path("nobody")] {
        let program = Program::quickstart()
            .with("NOTIFY_SOCKET", named)
            .with("WATCHDOG_PID", "1")
            .with("WATCHDOG_USEC", "1000");
        let process = program.serve().await;
        process.signal("TERM");
        process.signal("TERM");
        let end = process.ended().await;
        assert_eq!((end.code, &*end.complained), (0, ""));
    }
    let lines = heard(&socket, "STOPPING=1").await;
    assert!(!lines.iter().any(|line| line == "WATCHDOG=1"), "{lines:?}");
}

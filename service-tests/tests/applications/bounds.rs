//! How many there may be, and for how long.

use std::time::Duration;

use tokio::time::Instant;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::support::{close_of, open, sample, start, try_open};

#[tokio::test]
async fn there_are_no_more_than_may_be() {
    let (running, _) = start("[http]\nupgraded_connections = 2").await;
    let (mut one, _two) = (open(running.addr, "/echo").await, open(running.addr, "/quiet").await);
    let Err(Error::Http(refused)) = try_open(running.addr, "/echo").await else { panic!("a third") };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    one.send(Message::text("works")).await.unwrap();
    assert_eq!(one.next().await.unwrap().unwrap(), Message::text("works"));
    let refused = "http_upgraded_connections_ended_total{protocol=\"websocket\",end=\"refused\"}";
    assert_eq!(sample(&running, refused).await, Some(1));
    drop(one);
    let began = Instant::now();
    while try_open(running.addr, "/echo").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "its place is not free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_client_does_not_keep_all_of_them() {
    let (running, _) = start("[http]\nupgraded_connections = 8\ntrusted_proxies = ['127.0.0.1']").await;
    let from = async |client: &str| {
        let stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        let request = http::Request::get(format!("ws://{}/quiet", running.addr))
            .header("host", "here")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("x-forwarded-for", client)
            .body(())
            .unwrap();
        tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
    };
    let mut first = from("192.0.2.1").await.unwrap();
    let mut greedy = Vec::new();
    for _ in 0..7 {
        greedy.push(from("192.0.2.1").await.unwrap());
    }
    assert!(from("192.0.2.1").await.is_err());
    let mut others = Vec::new();
    for client in 2..6 {
        others.push(
            from(&format!("192.0.2.{client}")).await.unwrap_or_else(|error| panic!("{client}: {error}")),
        );
    }
    assert_eq!(close_of(&mut first).await, Some((1001, "others wait for a place".to_owned())));
    others[0].send(Message::Ping("".into())).await.unwrap();
    assert!(matches!(others[0].next().await, Some(Ok(Message::Pong(_)))));
}

#[tokio::test]
async fn one_on_which_nothing_passes_is_closed_and_pings_keep_it() {
    let (running, _) = start("[http]\nupgraded_idle_timeout = '500ms'").await;
    let mut socket = open(running.addr, "/quiet").await;
    let began = Instant::now();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        socket.send(Message::Ping("".into())).await.unwrap();
    }
    assert_eq!(close_of(&mut socket).await, Some((1001, "idle for too long".to_owned())));
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_lasts_for_too_long_is_closed_between_two_frames() {
    let (running, _) = start("[http]\nupgraded_max_age = '300ms'").await;
    for path in ["/quiet", "/sized/0", "/sized/100", "/sized/70000", "/sized/1000000"] {
        let mut socket = open(running.addr, path).await;
        assert_eq!(close_of(&mut socket).await, Some((1001, "open for too long".to_owned())), "{path}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let (running, _) = start("[http]\nwrite_timeout = '500ms'").await;
    let socket = open(running.addr, "/sized/1000000").await;
    let stalled = "http_upgraded_connections_ended_total{protocol=\"websocket\",end=\"stalled\"}";
    let began = Instant::now();
    while sample(&running, stalled).await != Some(1) {
        assert!(began.elapsed() < Duration::from_secs(20), "it is kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(socket);
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_its_socket_before_it_is_kept() {
    let (running, _) = start("[http]\nwebsocket_message_limit = '64KiB'").await;
    let mut socket = open(running.addr, "/echo").await;
    let fits = Message::binary(vec![7; 64 << 10]);
    socket.send(fits.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), fits);
    let _ = socket.send(Message::binary(vec![7; (64 << 10) + 1])).await;
    let told = (1009, "a message is larger than the service takes".to_owned());
    assert_eq!(close_of(&mut socket).await, Some(told));
    let large = "http_upgraded_connections_ended_total{protocol=\"websocket\",end=\"too_large\"}";
    let began = Instant::now();
    while sample(&running, large).await != Some(1) {
        assert!(began.elapsed() < Duration::from_secs(5), "it is not counted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A frame of a client with this first byte and this much payload, as its bytes are.
pub(crate) fn frame(first: u8, length: usize) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(MASKED | length as u8),
        126..65_536 => {
            frame.push(MASKED | 0x7E);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(MASKED | 0x7F);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.resize(frame.len() + length, 7);
    frame
}

#[tokio::test]
async fn a_message_that_does_not_come_in_time_closes_its_socket() {
    let settings = "[http]\nbody_timeout = '500ms'\n[route.'/quiet']\nbody_timeout = '200ms'\n";
    let (running, mut ends) = start(settings).await;
    let (part, ping) = (frame(0x02, 1 << 20), frame(0x89, 4));
    // One that stops before its last byte, one of which a byte comes now and then, and one between whose fragments pings come.
    for (path, begins, goes_on) in [
        ("/echo", &part[..part.len() - 1], &[][..]),
        ("/quiet", &part[..20], &[]),
        ("/echo", &part[..100_000], &[7]),
        ("/echo", &frame(0x01, 5), &ping),
        ("/echo", &frame(0x01, 5), &frame(0x00, 0)),
    ] {
        let mut socket = open(running.addr, path).await;
        let began = Instant::now();
        let stream = socket.get_mut();
        stream.write_all(begins).await.unwrap();
        while began.elapsed() < Duration::from_millis(700) {
            // Once it is closed nobody reads what is written.
            let _ = stream.write_all(goes_on).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = (1008, "a message did not come in time".to_owned());
        assert_eq!(close_of(&mut socket).await, Some(told), "{path}");
        assert!(began.elapsed() < Duration::from_secs(3), "{path}: {:?}", began.elapsed());
    }
    let heard = tokio::time::timeout(Duration::from_secs(5), ends.recv()).await.unwrap().unwrap();
    assert!(heard.starts_with("error: "), "its handler learns of it: {heard}");
    let slow = "http_upgraded_connections_ended_total{protocol=\"websocket\",end=\"too_slow\"}";
    let began = Instant::now();
    while sample(&running, slow).await != Some(5) {
        assert!(began.elapsed() < Duration::from_secs(5), "they are not counted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn fragments_without_data_and_control_frames_are_bounded_and_give_a_message_no_time() {
    let (running, _) = start("[http]\nbody_timeout = '1s'\n").await;
    let flooded = (1008, "too many frames without data".to_owned());
    let slow = (1008, "a message did not come in time".to_owned());
    let (part, empty, ping) = (frame(0x02, 1000), frame(0x00, 0), frame(0x89, 0));
    let trickle = [&empty[..], &ping].concat();
    for (begins, goes_on, pause, told) in [
        (&part[..], empty.repeat(5_000), 0, &flooded),
        (&[], ping.repeat(5_000), 0, &flooded),
        (&[], frame(0x8A, 0).repeat(5_000), 0, &flooded),
        // Data in each, as fast as they go, and few without any.
        (&part, frame(0x00, 1).repeat(200), 10, &slow),
        (&part, trickle, 10, &slow),
    ] {
        let mut socket = open(running.addr, "/quiet").await;
        let (began, stream) = (Instant::now(), socket.get_mut());
        stream.write_all(begins).await.unwrap();
        while began.elapsed() < Duration::from_secs(3) && stream.write_all(&goes_on).await.is_ok() {
            let closed =
                if *told == slow { Duration::from_millis(1_300) } else { Duration::from_millis(200) };
            if began.elapsed() > closed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        assert_eq!(close_of(&mut socket).await, Some(told.clone()));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn pauses_between_messages_and_the_handler_s_own_time_are_no_fault_of_the_client() {
    let (running, _) = start("[http]\nbody_timeout = '500ms'\n").await;
    let mut socket = open(running.addr, "/echo").await;
    for size in [10, 100_000, 0] {
        let sent = Message::binary(vec![7; size]);
        socket.send(sent.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), sent);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    // Fragments without a pause for longer than one message may take: each is another message.
    let (begins, ends) = (frame(0x02, 3), frame(0x80, 3));
    let began = Instant::now();
    socket.get_mut().write_all(&begins).await.unwrap();
    while began.elapsed() < Duration::from_millis(1_200) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        socket.get_mut().write_all(&[&ends[..], &begins].concat()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(vec![7; 6]));
    }
    // More than the way to the handler holds, which looks at nothing for a second.
    let mut socket = open(running.addr, "/late").await;
    socket.send(Message::binary(vec![7; 3 << 20])).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text((3 << 20).to_string()));
}

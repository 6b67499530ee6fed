//! How they end with the service.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::app::JOBS;
use super::support::{close_of, open, start};
use hardening_service_tests::client::{Client, request};

const AT_ONCE: &str = "[shutdown]\npre_drain = '0s'";

#[tokio::test]
async fn a_quiet_socket_is_told_that_the_service_goes() {
    let (running, mut ends) = start(AT_ONCE).await;
    let mut sockets = Vec::new();
    for path in ["/quiet", "/echo", "/sized/0", "/sized/100000"] {
        sockets.push((path, open(running.addr, path).await));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    let stopped = tokio::spawn(running.shutdown());
    for (path, socket) in &mut sockets {
        assert_eq!(close_of(socket).await, Some((1001, "the service stops".to_owned())), "{path}");
    }
    assert!(stopped.await.unwrap().is_clean());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // Its client has answered the close.
    assert_eq!(ends.recv().await.as_deref(), Some("close 1001"));
}

#[tokio::test]
async fn a_handler_may_close_itself() {
    // It hears of the end at once, and the service closes what is open a second later, however late the handler is polled.
    let (running, _) = start("[shutdown]\npre_drain = '1s'").await;
    let mut socket = open(running.addr, "/leaves").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopped = tokio::spawn(running.shutdown());
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("no close") };
    assert_eq!(u16::from(frame.code), 4000);
    drop(socket);
    assert!(stopped.await.unwrap().is_clean());
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_cut() {
    let (running, _) = start(AT_ONCE).await;
    let socket = open(running.addr, "/quiet").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    let report = running.shutdown().await;
    assert!((5..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(report.is_clean(), "{report:?}");
    drop(socket);
}

#[tokio::test]
async fn another_protocol_is_cut_after_a_while() {
    let (running, _) = start(AT_ONCE).await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = "GET /raw HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n!";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut heard = vec![0; 4096];
    loop {
        let read = stream.read(&mut heard).await.unwrap();
        if heard[..read].ends_with(b"!") {
            break;
        }
    }
    let began = Instant::now();
    let stopped = tokio::spawn(running.shutdown());
    assert_eq!(stream.read(&mut heard).await.unwrap_or(0), 0, "nothing is said in its place");
    assert!((5..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(stopped.await.unwrap().is_clean());
}

#[tokio::test]
async fn what_is_left_at_the_end_of_the_drain_is_named() {
    let settings = "[shutdown]\npre_drain = '0s'\ndrain = '1s'\n[http]\nrequest_timeout = '1s'";
    let (running, _) = start(settings).await;
    let socket = open(running.addr, "/quiet").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let report = running.shutdown().await;
    assert_eq!(report.still_running, ["1 × websocket /quiet"]);
    drop(socket);
}

const SHORT: &str = "[shutdown]\npre_drain = '0s'\ndrain = '1s'\n[http]\nrequest_timeout = '1s'";

#[tokio::test]
async fn answers_that_wait_for_their_clients_alone_make_no_end_unclean() {
    let (running, _) = start(SHORT).await;
    // One that takes its answer slowly, and over HTTP/2 one that has no room for any of it.
    let mut slow = TcpStream::connect(running.addr).await.unwrap();
    slow.write_all(b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    let taking = tokio::spawn(async move {
        let mut some = [0; 1000];
        while slow.read(&mut some).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let stream = TokioIo::new(TcpStream::connect(running.addr).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) =
        builder.initial_stream_window_size(0).handshake::<_, Empty<Bytes>>(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://here/large").body(Empty::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let report = running.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.awaiting_clients, ["2 × /large"]);
    drop(answer);
    taking.await.unwrap();
}

#[tokio::test]
async fn bodies_that_do_not_come_make_no_end_unclean() {
    let patient = "[route.'/other']\nrequest_timeout = '9s'\n[route.'/upload/{id}']\nrequest_timeout = '9s'";
    let (running, _) = start(&format!("{SHORT}\n{patient}")).await;
    let mut half = Client::connect(running.addr).await;
    half.send("POST /upload/1 HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\nsome").await;
    let mut none = Client::connect(running.addr).await;
    none.send("POST /other HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await;
    let mut report = running.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    report.awaiting_clients.sort();
    assert_eq!(report.awaiting_clients, ["1 × /other", "1 × /upload/{id}"]);
    drop((half, none));
}

#[tokio::test]
async fn a_handler_that_has_more_to_give_is_still_named_and_what_has_ended_is_not() {
    let (running, _) = start(SHORT).await;
    // Its answer has begun, all that there is of it was taken, and its handler is at work.
    let mut silent = TcpStream::connect(running.addr).await.unwrap();
    silent.write_all(b"GET /silent HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    let mut waits = TcpStream::connect(running.addr).await.unwrap();
    waits.write_all(b"GET /poll HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    // Of answers that were taken, or given up, nothing is left.
    for path in ["/hello", "/large"] {
        let mut done = TcpStream::connect(running.addr).await.unwrap();
        done.write_all(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").as_bytes()).await.unwrap();
        let mut begins = [0; 12];
        done.read_exact(&mut begins).await.unwrap();
        assert_eq!(&begins, b"HTTP/1.1 200");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut report = running.shutdown().await;
    report.still_running.sort();
    assert_eq!(report.still_running, ["1 × /poll", "1 × /silent"]);
    assert_eq!(report.awaiting_clients, Vec::<String>::new());
    assert!(!report.is_clean());
}

#[tokio::test]
async fn what_a_request_has_spawned_is_waited_for_though_nobody_is_connected() {
    let (running, _) = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("POST", "/job", &[("connection", "close")], "")).await;
    assert_eq!(client.reply().await.status, 200);
    drop(client);
    sleep(Duration::from_millis(100)).await;
    let report = running.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(JOBS.load(Ordering::Relaxed), 1);
}

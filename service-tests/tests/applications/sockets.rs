//! What is said on sockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::support::{close_of, open, sample, start, try_open};

#[tokio::test]
async fn messages_of_every_kind_and_size_come_back() {
    let (running, _) = start("").await;
    let mut socket = open(running.addr, "/echo").await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        for message in [Message::text("x".repeat(length)), Message::binary(vec![7; length])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message, "{length}");
        }
    }
    socket.send(Message::Ping("alive".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("alive".into()));
    assert_eq!(sample(&running, "http_upgraded_connections{protocol=\"websocket\"}").await, Some(1));
    // It lasts beyond the deadline of the request.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    let ended = "http_upgraded_connections_ended_total{protocol=\"websocket\",end=\"ended\"}";
    for _ in 0..100 {
        if sample(&running, ended).await == Some(1) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sample(&running, ended).await, Some(1));
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn fragments_and_control_frames_between_them_are_one_message() {
    let (running, _) = start("").await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = "GET /echo HTTP/1.1\r\nhost: here\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    // "frag", a ping, "ment", each masked by nothing; byte by byte.
    let mask = [0; 4];
    let frame =
        |first: u8, payload: &[u8]| [&[first, 0x80 | payload.len() as u8][..], &mask, payload].concat();
    let frames = [frame(0x01, b"frag"), frame(0x89, b"?"), frame(0x80, b"ment")].concat();
    for byte in frames {
        stream.write_all(&[byte]).await.unwrap();
    }
    let mut back = [0; 3 + 2 + 8];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"\x8a\x01?\x81\x08fragment");
    drop(stream);
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_client_that_is_gone_is_the_end_for_the_handler() {
    let (running, mut ends) = start("").await;
    let socket = open(running.addr, "/quiet").await;
    drop(socket);
    let end = tokio::time::timeout(Duration::from_secs(2), ends.recv()).await.expect("in time");
    assert!(end.as_deref().is_some_and(|end| end.starts_with("error") || end == "the end"), "{end:?}");
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn what_is_no_websocket_or_is_refused_is_answered() {
    let (running, _) = start("").await;
    let Err(Error::Http(refused)) = try_open(running.addr, "/refuses").await else { panic!("no answer") };
    assert_eq!(refused.status(), 403);
    let Err(Error::Http(other)) = try_open(running.addr, "/hello").await else { panic!("no answer") };
    assert_eq!(other.status(), 200, "a handler that takes no notice");
    assert_eq!(open_now(&running).await, Some(0));
    assert!(running.shutdown().await.is_clean());
}

async fn open_now(running: &hardening::Running) -> Option<u64> {
    sample(running, "http_upgraded_connections{protocol=\"websocket\"}").await
}

#[tokio::test]
async fn other_protocols_pass_too() {
    let (running, _) = start("[shutdown]\npre_drain = '0s'").await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = "GET /raw HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\nearly";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"early");
    stream.write_all(b"later").await.unwrap();
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"later");
    drop(stream);
    let mut again = open(running.addr, "/echo").await;
    again.close(None).await.unwrap();
    assert_eq!(close_of(&mut again).await, None);
    assert!(running.shutdown().await.is_clean());
}

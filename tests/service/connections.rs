//! Connections of clients that are slow, silent or many.

use std::time::Duration;

use super::support::{Answer, PATIENCE, read_all, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

#[tokio::test]
async fn a_head_that_trickles_is_cut_with_408() {
    let service = start("[http]\nheader_timeout = '300ms'\n").await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    let began = Instant::now();
    for part in ["GET / HT", "TP/1.1\r\n", "host: a", "\r\nx-slow:"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = Answer::parse(&read_all(&mut stream).await);
    answer.problem(408);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_second_head_that_trickles_is_cut_too() {
    let service = start("[http]\nheader_timeout = '300ms'\n").await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(b"GET / HT").await.unwrap();
    let text = read_all(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let second = text.rfind("HTTP/1.1 408").unwrap_or_else(|| panic!("{text}"));
    Answer::parse(&text[second..]).problem(408);
}

#[tokio::test]
async fn silent_and_idle_connections_are_closed_without_a_word() {
    let service = start("[http]\nheader_timeout = '200ms'\nidle_timeout = '300ms'\n").await;
    let mut silent = TcpStream::connect(service.addr).await.unwrap();
    assert_eq!(read_all(&mut silent).await, "");
    let mut idle = TcpStream::connect(service.addr).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let text = read_all(&mut idle).await;
    assert!(text.ends_with("hello") && text.matches("HTTP/1.1").count() == 1, "{text}");
    assert!(began.elapsed() >= Duration::from_millis(280), "{:?}", began.elapsed());
}

#[tokio::test]
async fn half_a_preface_of_http2_does_not_hold_a_connection() {
    let service = start("[http]\nheader_timeout = '200ms'\nidle_timeout = '300ms'\n").await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    // What it began is a head of HTTP/1.1 as well, and is answered as one that came too late.
    let text = read_all(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
}

#[tokio::test]
async fn a_client_that_takes_no_answer_loses_its_connection() {
    let service = start("[http]\nwrite_timeout = '300ms'\n").await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    stream.write_all(b"GET /large/30000000 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // What the buffers held is still there; the rest never comes.
    let mut taken = Vec::new();
    let end =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut taken)).await.expect("the connection ends");
    assert!(end.is_err() || taken.len() < 30_000_000, "{}", taken.len());
}

#[tokio::test]
async fn many_requests_on_one_connection_keep_it() {
    let service = start("").await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    for at in 0..50 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut text = String::new();
        while !text.ends_with("hello") {
            let mut part = [0; 1024];
            let read = stream.read(&mut part).await.unwrap();
            assert!(read > 0, "closed at request {at}: {text}");
            text.push_str(&String::from_utf8_lossy(&part[..read]));
        }
    }
}

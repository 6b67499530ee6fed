//! Clients that take an answer slowly, or not at all.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use super::app::{LARGE, MEDIUM};
use super::support::start;
use hardening_service_tests::client::{Client, Http2, get, request};
use hardening_service_tests::service::{scrape, until, value};

/// Frames of HTTP/2 as a client writes them: the preface, a window of nothing, and `GET /large`.
const NO_WINDOW: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\
    \0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/large\x41\x01x";

#[tokio::test]
async fn a_client_that_takes_no_answer_loses_its_place() {
    let running = start("[http]\nconnections = 1\nwrite_timeout = '200ms'").await;
    let mut deaf = Client::connect(running.addr).await;
    deaf.send(request("GET", "/large", &[], "")).await;
    until("the place is free again", || async { get(running.addr, "/hello").await.status == 200 }).await;
    until("nothing in flight", || async { in_flight(&running).await == 0.0 }).await;
}

/// A connection whose system takes next to nothing that is not read.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(address).await.expect("a connection")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_answer_that_the_system_holds_is_given_up_in_time_too() {
    let running = start("[http]\nwrite_timeout = '500ms'\nidle_timeout = '1h'").await;
    let deaf = [narrow(running.addr).await, narrow(running.addr).await];
    let mut held = Vec::new();
    for (stream, closes) in deaf.into_iter().zip(["", "connection: close\r\n"]) {
        let mut client = Client::over(stream);
        client.send(format!("GET /medium HTTP/1.1\r\nhost: a\r\n{closes}\r\n")).await;
        held.push(client);
    }
    let answered = "http_requests_total{method=\"GET\",route=\"/medium\",status=\"200\"}";
    until("the system has both answers", || async {
        value(&scrape(&running).await, answered) == Some(2.0) && in_flight(&running).await == 0.0
    })
    .await;
    let open = "http_open_connections{listener=\"public\"}";
    until("both have ended", || async { value(&scrape(&running).await, open) == Some(0.0) }).await;
    for client in &mut held {
        // The end of the connection, and not of the answer.
        assert!(client.rest().await.len() < MEDIUM);
    }
}

#[tokio::test]
async fn a_stream_whose_client_opens_no_window_is_reset() {
    let running = start("[http]\nconnections = 1\nwrite_timeout = '200ms'\nidle_timeout = '1h'").await;
    let mut deaf = Client::connect(running.addr).await;
    deaf.send(NO_WINDOW).await;
    let began = Instant::now();
    // The reset of the only stream, with the reason CANCEL.
    deaf.until(b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08").await;
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    until("the place is free again", || async { get(running.addr, "/hello").await.status == 200 }).await;
    let counted = "http_requests_total{method=\"GET\",route=\"/large\",status=\"200\"}";
    assert_eq!(value(&scrape(&running).await, counted), Some(1.0), "it was a request");
}

#[tokio::test]
async fn who_takes_an_answer_slowly_but_steadily_gets_all_of_it() {
    let running =
        start("[http]\nidle_timeout = '300ms'\nheader_timeout = '300ms'\nwrite_timeout = '2s'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/large", &[], "")).await;
    let head = client.reply_to_head().await;
    assert_eq!(head.header("content-length"), Some(LARGE.to_string().as_str()));
    let mut taken = 0;
    while taken < LARGE {
        taken += client.some(LARGE / 20).await;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(taken, LARGE);
}

#[tokio::test]
async fn who_takes_an_answer_slowly_over_http2_gets_all_of_it() {
    let running =
        start("[http]\nidle_timeout = '300ms'\nheader_timeout = '300ms'\nwrite_timeout = '2s'").await;
    let http2 = Http2::connect(running.addr).await;
    let mut body = http2.open("GET", "/large", &[], "").await.into_body();
    let (mut taken, mut pause_at) = (0, LARGE / 20);
    while let Some(frame) = body.frame().await {
        taken += frame.expect("the connection stands").into_data().map_or(0, |data| data.len());
        if taken >= pause_at {
            pause_at += LARGE / 20;
            sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(taken, LARGE);
}

#[tokio::test]
async fn who_takes_what_the_system_holds_slowly_gets_all_of_it() {
    let running = start("[http]\nwrite_timeout = '2s'").await;
    let mut client = Client::over(narrow(running.addr).await);
    client.send(request("GET", "/medium", &[], "")).await;
    assert_eq!(client.reply_to_head().await.status, 200);
    let (mut taken, began) = (0, Instant::now());
    while taken < MEDIUM {
        taken += client.some(MEDIUM / 40).await;
        sleep(Duration::from_millis(75)).await;
    }
    assert_eq!(taken, MEDIUM);
    assert!(began.elapsed() > Duration::from_secs(2), "longer than one wait");
}

#[tokio::test]
async fn an_answer_that_the_handler_makes_slowly_is_no_slow_client() {
    let running =
        start("[http]\nidle_timeout = '100ms'\nheader_timeout = '100ms'\nwrite_timeout = '100ms'").await;
    assert_eq!(get(running.addr, "/drips").await.body, "drip".repeat(5));
    assert_eq!(Http2::connect(running.addr).await.ask("GET", "/drips", &[], "").await.body, "drip".repeat(5));
}

#[tokio::test]
async fn an_answer_is_in_flight_until_the_client_has_taken_it() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/large", &[], "")).await;
    client.reply_to_head().await;
    assert!(in_flight(&running).await > 0.0);
    let mut taken = 0;
    while taken < LARGE {
        taken += client.some(LARGE).await;
    }
    until("nothing in flight", || async { in_flight(&running).await == 0.0 }).await;
}

async fn in_flight(running: &hardening::Running) -> f64 {
    value(&scrape(running).await, "http_requests_in_flight").expect("a gauge")
}

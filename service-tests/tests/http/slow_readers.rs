//! Clients that take an answer slowly, or not at all.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};

use super::app::LARGE;
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

#[tokio::test]
async fn a_client_of_http2_that_opens_no_window_loses_its_place() {
    let running = start("[http]\nconnections = 1\nwrite_timeout = '200ms'\nidle_timeout = '1h'").await;
    let mut deaf = Client::connect(running.addr).await;
    deaf.send(NO_WINDOW).await;
    let began = Instant::now();
    deaf.rest().await;
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

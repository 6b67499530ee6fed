//! Clients of HTTP/2 that flood the connection instead of asking.

use super::support::start;
use hardening_service_tests::client::{Client, Http2, get};
use hardening_service_tests::service::{problem, scrape, until, value};

/// The preface with empty settings.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `GET /slow` of a host `x`, compressed.
const ASKS_SLOW: &[u8] = b"\x82\x86\x04\x05/slow\x41\x01x";

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Sends all of it, or until the connection is cut; either way it must end, though no time is up.
async fn flood(client: &mut Client, frames: impl Iterator<Item = Vec<u8>>) {
    for frame in frames {
        if !client.sent(frame).await {
            break;
        }
    }
    client.rest().await;
}

#[tokio::test]
async fn a_head_that_is_continued_for_ever_is_cut() {
    let running = start("[http]\nidle_timeout = '1h'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(OPENING).await;
    client.send(frame(HEADERS, END_STREAM, 1, ASKS_SLOW)).await;
    // A field that is never compressed away, in each frame anew.
    let field = [b"\0\x01a\x7f\x81\x7e".as_slice(), &[b'v'; 255]].concat();
    let frames = std::iter::repeat_with(|| frame(CONTINUATION, 0, 1, &field)).take(200_000);
    flood(&mut client, frames).await;
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_are_cut_and_leave_nothing_behind() {
    let running = start("[http]\nidle_timeout = '1h'\nrate_limit = 'none'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(OPENING).await;
    let pair = |n: u32| {
        let asks = frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, ASKS_SLOW);
        [asks, frame(RESET, 0, 2 * n + 1, &8_u32.to_be_bytes())].concat()
    };
    // A hundred at a time: those of one packet are taken back before they are looked at.
    let frames = (0..500).map(|packet| (0..100).flat_map(|n| pair(packet * 100 + n)).collect());
    flood(&mut client, frames).await;
    let begun =
        value(&scrape(&running).await, "http_requests_total{method=\"GET\",route=\"/slow\",status=\"499\"}");
    assert!(begun.unwrap_or_default() < 1000.0, "{begun:?} of 50000 came to be requests");
    until("nothing in flight", || async {
        value(&scrape(&running).await, "http_requests_in_flight") == Some(0.0)
    })
    .await;
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn more_requests_at_once_than_the_setting_allows_wait_for_one_another() {
    let running = start("[http]\nhttp2_streams = 2\nrequest_timeout = '200ms'").await;
    let http2 = Http2::connect(running.addr).await;
    // The first answer comes after the server has told its limit.
    assert_eq!(http2.ask("GET", "/hello", &[], "").await.status, 200);
    let began = tokio::time::Instant::now();
    let asks = || http2.ask("GET", "/slow", &[], "");
    let replies = tokio::join!(asks(), asks(), asks(), asks(), asks());
    for reply in <[_; 5]>::from(replies) {
        problem(&reply, 504);
    }
    assert!(began.elapsed().as_millis() >= 590, "two at a time: {:?}", began.elapsed());
}

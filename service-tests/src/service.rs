//! What is true of every answer, and of a service that runs.

use hardening::Running;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use crate::client::{PATIENCE, Reply, get};

/// Asks again until the answer is right.
#[track_caller]
pub fn until<F: Future<Output = bool>>(what: &str, mut right: impl FnMut() -> F) -> impl Future<Output = ()> {
    let from = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !right().await {
            assert!(began.elapsed() < PATIENCE, "{from}: not in time: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits until the service is ready.
pub async fn ready(running: &Running) {
    until("ready", || async { get(running.admin_addr, "/readyz").await.status == 200 }).await;
}

/// What `/metrics` answers.
pub async fn scrape(running: &Running) -> String {
    let reply = get(running.admin_addr, "/metrics").await;
    assert_eq!(reply.status, 200);
    reply.body
}

/// The value of a series, `None` where there is none.
pub fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

/// Whether this is a UUID of version 7.
pub fn is_uuid_v7(id: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'7',
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    id.len() == 36 && id.bytes().enumerate().all(shape)
}

/// Whether this is a time of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn is_date(text: &str) -> bool {
    let shape = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    let of_kind = |(wanted, c): (char, char)| match wanted {
        '0' => c.is_ascii_digit(),
        'A' => c.is_ascii_uppercase(),
        'a' => c.is_ascii_lowercase(),
        other => c == other,
    };
    text.len() == shape.len() && shape.chars().zip(text.chars()).all(of_kind)
}

/// What every answer carries: an id, security headers, and no word about the server. Answers the id.
#[track_caller]
pub fn secured(reply: &Reply) -> String {
    for (name, expected) in [
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(reply.header(name), Some(expected), "{name}: {reply:#?}");
    }
    assert_eq!(reply.header("server"), None, "{reply:#?}");
    reply.header("x-request-id").unwrap_or_else(|| panic!("no id: {reply:#?}")).to_owned()
}

/// A wait that was sent: at least the one that is due, and as much longer as clients are spread that are refused together, by
/// every test of this process.
#[track_caller]
pub fn comes_again(told: Option<&str>, least: u64, spread: u64) {
    let told: u64 = told.expect("a wait").parse().expect("a number");
    assert!((least..=least + spread.max(least / 5)).contains(&told), "{told} where {least} is due");
}

/// A problem of this status, whose members say the same as the answer. Answers its members.
#[track_caller]
pub fn problem(reply: &Reply, status: u16) -> Value {
    let id = secured(reply);
    assert_eq!(reply.status, status, "{reply:#?}");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{reply:#?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "a problem is of one request: {reply:#?}");
    assert!(reply.header("date").is_some_and(is_date), "{reply:#?}");
    let members = reply.json();
    assert_eq!(members["status"], status, "{reply:#?}");
    assert_eq!(members["request_id"], id, "{reply:#?}");
    assert!(members["title"].as_str().is_some_and(|title| !title.is_empty()), "{reply:#?}");
    assert!(members["type"].is_string(), "{reply:#?}");
    members
}

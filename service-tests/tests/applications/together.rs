//! Several services in one process, as tests start them.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::routing::get;
use hardening::{Running, hardened_service, retry};
use hardening_service_tests::client::get as ask;

static FIRST: AtomicU32 = AtomicU32::new(0);
static SECOND: AtomicU32 = AtomicU32::new(0);

#[retry(attempts = 2, backoff = 1ms..1ms, budget = none, idempotent)]
async fn first() -> hardening::Result<()> {
    FIRST.fetch_add(1, Ordering::Relaxed);
    Err("down".into())
}

#[retry(attempts = 2, backoff = 1ms..1ms, budget = none, idempotent)]
async fn second() -> hardening::Result<()> {
    SECOND.fetch_add(1, Ordering::Relaxed);
    Err("down".into())
}

#[hardened_service(name = "together")]
async fn together() -> Router {
    Router::new()
        .route(
            "/first",
            get(async || {
                let _ = first().await;
                FIRST.swap(0, Ordering::Relaxed).to_string()
            }),
        )
        .route(
            "/second",
            get(async || {
                let _ = second().await;
                SECOND.swap(0, Ordering::Relaxed).to_string()
            }),
        )
}

async fn start(settings: &str) -> hardening::Result<Running> {
    Ok(together().with_settings(format!("{settings}[log]\naccess = false")).start().await?)
}

async fn attempts(running: &Running, path: &str) -> String {
    ask(running.addr, path).await.body
}

fn of(call: &str, attempts: u32) -> String {
    format!("[call.\"together::{call}\".retry]\nattempts = {attempts}\n")
}

#[tokio::test]
async fn services_of_one_process_do_not_set_each_others_numbers() {
    let one = start(&of("first", 4)).await.unwrap();
    assert_eq!(attempts(&one, "/first").await, "4");
    // One that says the same, or nothing, or something of another call.
    let same = start(&of("first", 4)).await.unwrap();
    let other = start(&of("second", 3)).await.unwrap();
    assert_eq!(attempts(&one, "/second").await, "3");
    let refused = start(&of("first", 5)).await.expect_err("other numbers of the same call").to_string();
    for part in ["`together::first`", "together.rs", "another service of this process", "one after the other"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(attempts(&one, "/first").await, "4", "nothing has changed");
    // What nobody says any more is as it was declared.
    other.shutdown().await;
    assert_eq!(attempts(&one, "/second").await, "2");
    one.shutdown().await;
    assert_eq!(attempts(&same, "/first").await, "4", "one service still says so");
    same.shutdown().await;
    let next = start(&of("first", 5)).await.unwrap();
    assert_eq!(attempts(&next, "/first").await, "5");
    next.shutdown().await;
    let last = start("").await.unwrap();
    assert_eq!(attempts(&last, "/first").await, "2");
}

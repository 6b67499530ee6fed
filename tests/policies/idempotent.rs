//! Requests that are sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use hardening::context::{Principal, Request, as_principal, scope};
use hardening::{Rejected, fallback, idempotent, rate_limited, retry, timeout};
use tokio::time::{advance, sleep};

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Error {
    SoldOut(u32),
    #[serde(skip)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

fn refused(answer: Result<u32, Error>) -> &'static str {
    match answer {
        Err(Error::Rejected(rejected)) => rejected.kind(),
        other => panic!("{other:?}"),
    }
}

static ORDERS: AtomicU32 = AtomicU32::new(0);

#[idempotent(key = number, fingerprint = (amount, what), ttl = 1h)]
#[fallback(Ok(0))]
#[timeout(1s)]
async fn order(number: &str, what: String, amount: u32) -> Result<u32, Error> {
    let run = ORDERS.fetch_add(1, Ordering::SeqCst) + 1;
    match what.as_str() {
        "sold out" => Err(Error::SoldOut(run)),
        "slow" => {
            sleep(Duration::from_millis(u64::from(amount))).await;
            Ok(run)
        }
        "broken" if run < amount => panic!("it breaks"),
        _ => Ok(run),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_done_once() {
    let ask = |number, what: &str, amount| order(number, what.to_owned(), amount);
    assert_eq!(ask("a", "shoes", 1).await, Ok(1));
    assert_eq!(ask("a", "shoes", 1).await, Ok(1));
    assert_eq!(ask("b", "shoes", 1).await, Ok(2));
    assert_eq!(refused(ask("a", "shoes", 2).await), "idempotency_mismatch");
    assert_eq!(refused(ask("a", "hats", 1).await), "idempotency_mismatch");
    // An error that came of running the body is given again: the fallback is what answers for it.
    assert_eq!(ask("c", "sold out", 1).await, Ok(0));
    assert_eq!((ask("c", "sold out", 1).await, ORDERS.load(Ordering::SeqCst)), (Ok(0), 3));
    // While it runs, it is not run again.
    let running = tokio::spawn(order("d", "slow".to_owned(), 500));
    sleep(Duration::from_millis(100)).await;
    let conflict = ask("d", "slow", 500).await;
    let Err(Error::Rejected(Rejected::IdempotencyConflict { retry_after })) = conflict else {
        panic!("{conflict:?}")
    };
    assert_eq!(retry_after, Duration::from_millis(29_900), "what is left of the lease");
    assert_eq!(running.await.unwrap(), Ok(4));
    assert_eq!(ask("d", "slow", 500).await, Ok(4));
    // Who went away unfinished is taken over: cancelled, panicked, cut.
    let cancelled = tokio::spawn(order("e", "slow".to_owned(), 500));
    sleep(Duration::from_millis(100)).await;
    cancelled.abort();
    assert!(cancelled.await.is_err());
    assert_eq!(ask("e", "slow", 500).await, Ok(6));
    assert!(tokio::spawn(order("f", "broken".to_owned(), 8)).await.unwrap_err().is_panic());
    assert_eq!(ask("f", "broken", 8).await, Ok(8));
    assert_eq!(ask("g", "slow", 5000).await, Ok(0), "the fallback answers for the timeout");
    assert_eq!((ask("g", "slow", 5000).await, ORDERS.load(Ordering::SeqCst)), (Ok(0), 10));
    // Forgotten after its time.
    advance(Duration::from_hours(1)).await;
    assert_eq!(ask("a", "hats", 1).await, Ok(11));
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    for (result, count) in [
        ("new", 8),
        ("replayed", 3),
        ("conflict", 1),
        ("mismatch", 2),
        ("taken_over", 3),
        ("key_missing", 0),
        ("lost", 0),
    ] {
        let line = format!(
            "hardening_idempotency_total{{call=\"idempotent::order\",result=\"{result}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
}

static PAYMENTS: AtomicU32 = AtomicU32::new(0);

#[idempotent]
#[retry(attempts = 3, backoff = 1ms, not_executed = Error::SoldOut(1 | 2))]
async fn pay() -> Result<u32, Error> {
    match PAYMENTS.fetch_add(1, Ordering::SeqCst) + 1 {
        run @ 1..=2 => Err(Error::SoldOut(run)),
        run => Ok(run),
    }
}

async fn with_key(key: &str) -> Result<u32, Error> {
    let request = Request { idempotency_key: Some(key.to_owned()), ..Request::default() };
    scope(Arc::new(request), None, pay()).await
}

#[tokio::test(start_paused = true)]
async fn the_request_s_own_key_is_its_caller_s_own() {
    assert_eq!(refused(pay().await), "idempotency_key_missing");
    assert_eq!(refused(with_key("").await), "idempotency_key_missing");
    assert_eq!(with_key("k-1").await, Ok(3), "repetitions are within one run");
    assert_eq!(with_key("k-1").await, Ok(3));
    let as_clerk = |id: &str| {
        let request = Request { idempotency_key: Some("k-1".to_owned()), ..Request::default() };
        scope(Arc::new(request), None, as_principal(Principal::new(id), pay()))
    };
    assert_eq!(as_clerk("one").await, Ok(4));
    assert_eq!(as_clerk("two").await, Ok(5));
    assert_eq!((as_clerk("one").await, as_clerk("two").await), (Ok(4), Ok(5)));
}

#[idempotent(key = 7, fingerprint = ())]
#[rate_limited(1/h, burst = 2, per = attempt)]
#[timeout(1s)]
async fn limited(fails: bool) -> Result<u32, Rejected> {
    // As a function that it calls might refuse.
    if fails { Err(Rejected::ShuttingDown) } else { Ok(1) }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_before_anything_was_done_may_be_sent_again() {
    assert_eq!(limited(true).await, Err(Rejected::ShuttingDown));
    assert_eq!(limited(true).await, Err(Rejected::ShuttingDown));
    assert!(matches!(limited(false).await, Err(Rejected::RateLimited { .. })));
    advance(Duration::from_hours(1)).await;
    assert_eq!(limited(false).await, Ok(1));
    assert_eq!(limited(true).await, Ok(1));
}

static SHIPPED: AtomicU32 = AtomicU32::new(0);

#[idempotent(key = number, fingerprint = (), duplicate = no_content)]
async fn shipped(number: u32, status: u16) -> Result<Response, Error> {
    let run = SHIPPED.fetch_add(1, Ordering::SeqCst) + 1;
    if status == 0 {
        return Err(Error::SoldOut(run));
    }
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    Ok((status, [("x-run", run.to_string())], vec![b'-'; 300 * 1024]).into_response())
}

async fn told(number: u32, status: u16) -> (u16, bool, bool) {
    let answer = shipped(number, status).await.unwrap();
    let headers = answer.headers();
    let (again, run) = (headers.contains_key("idempotent-replayed"), headers.contains_key("x-run"));
    (answer.status().as_u16(), again, run)
}

#[tokio::test(start_paused = true)]
async fn a_success_that_is_not_given_again_is_a_204_and_a_failure_stays_one() {
    // Too large to be kept, which does not matter.
    assert_eq!([told(1, 201).await, told(1, 201).await], [(201, false, true), (204, true, false)]);
    assert_eq!(told(1, 201).await, (204, true, false));
    assert_eq!(shipped(2, 0).await.unwrap_err(), Error::SoldOut(2));
    assert_eq!(shipped(2, 0).await.unwrap_err(), Error::SoldOut(2));
    // An answer that says of itself that it failed cannot be kept here, and is not turned into a success.
    assert_eq!(told(3, 500).await, (500, false, true));
    assert!(matches!(shipped(3, 500).await, Err(Error::Rejected(Rejected::IdempotencyConflict { .. }))));
    assert_eq!(SHIPPED.load(Ordering::SeqCst), 3);
}

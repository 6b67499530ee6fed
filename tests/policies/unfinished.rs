//! Requests whose run did something and brought no answer that can be given again.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;
use hardening::{Rejected, circuit_breaker, deadline, idempotent, rate_limited, retry, telemetry, timeout};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, advance, sleep};

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Error {
    Broken,
    #[serde(skip)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Error>) -> &'static str {
    match answer {
        Err(Error::Rejected(rejected)) => rejected.kind(),
        other => panic!("{other:?}"),
    }
}

static CHARGED: AtomicU32 = AtomicU32::new(0);

#[idempotent(key = number, fingerprint = (), on_takeover = conflict)]
#[retry(attempts = 2, backoff = 10ms..20ms, idempotent)]
#[rate_limited(1/s, burst = 1, per = attempt)]
async fn charged(number: u32) -> Result<u32, Error> {
    CHARGED.fetch_add(number, Ordering::SeqCst);
    Err(Error::Broken)
}

static TRIPPED: AtomicU32 = AtomicU32::new(0);

#[idempotent(key = number, fingerprint = amount)]
#[retry(attempts = 2, backoff = 10ms..20ms, idempotent)]
#[circuit_breaker(consecutive = 1, open_for = 1s)]
#[timeout(100ms)]
async fn tripped(number: u32, amount: u32) -> Result<u32, Error> {
    TRIPPED.fetch_add(number * amount, Ordering::SeqCst);
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn i_57_a_refused_repetition_does_not_undo_the_attempt_before_it() {
    assert_eq!(kind(charged(1).await), "rate_limited");
    advance(Duration::from_secs(3)).await;
    assert_eq!(kind(charged(1).await), "idempotency_conflict");
    assert_eq!(CHARGED.load(Ordering::SeqCst), 1);

    assert_eq!(kind(tripped(1, 1).await), "circuit_open");
    advance(Duration::from_secs(3)).await;
    assert_eq!(kind(tripped(1, 2).await), "idempotency_mismatch");
    assert_eq!(TRIPPED.load(Ordering::SeqCst), 1);
    // The same request may be run again, and that is said.
    assert_eq!(kind(tripped(1, 1).await), "circuit_open");
    assert_eq!(TRIPPED.load(Ordering::SeqCst), 2);
    let mut text = String::new();
    telemetry::calls::render(&mut text);
    assert!(
        text.contains("hardening_idempotency_total{call=\"unfinished::tripped\",result=\"taken_over\"} 1\n"),
        "{text}"
    );
}

static CARDS: AtomicU32 = AtomicU32::new(0);

#[timeout(1s)]
async fn card() -> Result<(), Rejected> {
    CARDS.fetch_add(1, Ordering::SeqCst);
    std::future::pending().await
}

#[idempotent(key = number, fingerprint = (), on_takeover = conflict)]
async fn pay(number: u32) -> Result<u32, Rejected> {
    card().await?;
    Ok(number)
}

#[rate_limited(1/s, burst = 1)]
async fn inner() -> Result<(), Rejected> {
    Ok(())
}

#[idempotent(key = number, fingerprint = ())]
async fn outer(number: u32) -> Result<u32, Error> {
    inner().await?;
    Ok(number)
}

#[tokio::test(start_paused = true)]
async fn i_57_what_was_cut_inside_may_have_been_done_and_what_was_refused_inside_may_be_sent_again() {
    assert!(matches!(pay(1).await, Err(Rejected::Timeout { .. })));
    assert!(matches!(pay(1).await, Err(Rejected::IdempotencyConflict { .. })));
    assert_eq!(CARDS.load(Ordering::SeqCst), 1, "the card is charged once");

    assert_eq!(outer(1).await, Ok(1));
    assert_eq!(kind(outer(2).await), "rate_limited");
    advance(Duration::from_secs(2)).await;
    assert_eq!(outer(2).await, Ok(2));
}

/// A body that says how long it is, and then goes on like this.
struct Strange(&'static str, bool);

impl HttpBody for Strange {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0 {
            "" if self.1 => Poll::Pending,
            "" => Poll::Ready(Some(Err(std::io::Error::other("it broke")))),
            begins => {
                self.0 = "";
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(begins.as_bytes())))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(10)
    }
}

#[idempotent(key = number, fingerprint = ())]
#[deadline(2s)]
async fn proxied(number: u32, stalls: bool) -> Result<Response, Rejected> {
    let _ = number;
    Ok(Response::new(Body::new(Strange("begin", stalls))))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stalls_is_cut_by_the_deadline_and_one_that_breaks_breaks_for_its_caller_too() {
    let began = Instant::now();
    let stalled = proxied(1, true).await;
    assert!(matches!(stalled, Err(Rejected::DeadlineExceeded { .. })), "{stalled:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    let broken = proxied(2, false).await.unwrap();
    let body = to_bytes(broken.into_body(), 100).await;
    assert!(body.unwrap_err().to_string().contains("it broke"));
    let again = proxied(2, false).await;
    assert!(
        matches!(again, Err(Rejected::IdempotencyConflict { retry_after }) if retry_after > Duration::from_hours(23)),
        "{again:?}"
    );
    // Dropped while its answer is collected.
    let dropped = tokio::time::timeout(Duration::from_secs(1), proxied(3, true)).await;
    assert!(dropped.is_err());
    let mut text = String::new();
    telemetry::calls::render(&mut text);
    let ended = |outcome: &str, count: u32| {
        let series =
            format!("hardening_calls_total{{call=\"unfinished::proxied\",outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&series), "{series} is not in\n{text}");
    };
    ended("cancelled", 1);
    ended("panicked", 0);
    ended("deadline_exceeded", 1);
}

#[idempotent(key = number, fingerprint = (), lease = 1ns)]
async fn tiny(number: u32) -> Result<u32, Rejected> {
    sleep(Duration::from_millis(200)).await;
    Ok(number)
}

#[idempotent(key = number, fingerprint = ())]
async fn odd(number: u32) -> Result<f64, Rejected> {
    Ok(if number == 0 { f64::NAN } else { 1.0 })
}

#[tokio::test(start_paused = true)]
async fn a_tiny_lease_and_a_value_that_json_loses_do_no_harm() {
    assert_eq!(tiny(3).await, Ok(3));
    assert!(odd(0).await.unwrap().is_nan());
    assert!(matches!(odd(0).await, Err(Rejected::IdempotencyConflict { .. })));
    assert_eq!((odd(1).await, odd(1).await), (Ok(1.0), Ok(1.0)));
}

#[idempotent(key = number, fingerprint = (), instances = shared)]
async fn generic<T>(number: u32, answer: T) -> Result<T, Rejected>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let _ = number;
    Ok(answer)
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_one_type_is_not_given_for_another() {
    assert_eq!(generic(1, 300_u32).await, Ok(300));
    assert_eq!(generic(1, 300_u32).await, Ok(300));
    assert_eq!(generic(1, 300_u64).await, Err(Rejected::IdempotencyMismatch));
    assert_eq!(generic(2, "a".to_owned()).await.as_deref(), Ok("a"));
}

//! One call for each policy, and a story about each that shows whether the policy acts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, bulkhead, circuit_breaker, deadline, fallback, rate_limited, retry, timeout};

/// How a call ended, and how often bodies began.
type Answer = Result<&'static str, Failed>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Body,
    Rejected(Rejected),
}

impl From<Rejected> for Failed {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

static BEGUN: AtomicU32 = AtomicU32::new(0);

async fn body(after: u64, answer: Answer) -> Answer {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    if after > 0 {
        tokio::time::sleep(Duration::from_millis(after)).await;
    }
    answer
}

#[retry(attempts = 3, backoff = 1ms, idempotent)]
#[timeout(10s)]
#[deadline(60s)]
async fn price() -> Answer {
    body(0, Err(Failed::Body)).await
}

#[timeout(100ms)]
async fn timed() -> Answer {
    body(250, Ok("slow")).await
}

#[deadline(100ms)]
async fn late() -> Answer {
    body(250, Ok("slow")).await
}

#[circuit_breaker(consecutive = 2, open_for = 60s)]
async fn broken() -> Answer {
    body(0, Err(Failed::Body)).await
}

#[rate_limited(1/h)]
async fn limited() -> Answer {
    body(0, Ok("done")).await
}

#[rate_limited(100/s)]
#[rate_limited(2/h, burst = 2, key = who)]
async fn doubly(who: u8) -> Answer {
    body(0, Ok("done")).await
}

#[bulkhead(max = 1)]
async fn narrow() -> Answer {
    body(100, Ok("done")).await
}

#[fallback(Ok("covered"))]
async fn covered() -> Answer {
    body(0, Err(Failed::Body)).await
}

hardening::policy! {
    static SUPPLY: RateLimiter = { rate = 1/h, burst = 3 };
}

#[rate_limited(SUPPLY)]
async fn supply() -> Answer {
    body(0, Ok("done")).await
}

/// Waits long before it tries again.
#[retry(attempts = 2, backoff = 5s, jitter = none, idempotent)]
async fn patient() -> Answer {
    body(0, Err(Failed::Body)).await
}

/// Is under way for a while.
#[retry(attempts = 3, backoff = 5s, jitter = none, idempotent)]
#[timeout(10s)]
async fn steady() -> Answer {
    body(600, Ok("done")).await
}

/// Calls the function of this name a few times; says how often its body began, and how each call ended.
pub(crate) async fn story(name: &str) -> String {
    let mut ends = Vec::new();
    BEGUN.store(0, Ordering::SeqCst);
    match name {
        "price" => ends.push(price().await),
        "timed" => ends.push(timed().await),
        "late" => ends.push(late().await),
        "steady" => ends.push(steady().await),
        "patient" => ends.push(patient().await),
        "covered" => ends.push(covered().await),
        "narrow" => ends.extend(<[_; 3]>::from(tokio::join!(narrow(), narrow(), narrow()))),
        "broken" => ends.extend([broken().await, broken().await, broken().await, broken().await]),
        "limited" => ends.extend([limited().await, limited().await, limited().await, limited().await]),
        "doubly" => ends.extend([doubly(1).await, doubly(1).await, doubly(1).await, doubly(1).await]),
        "shared" => ends.extend([supply().await, supply().await, supply().await, supply().await]),
        other => panic!("no story of `{other}`"),
    }
    let ends: Vec<_> = ends
        .into_iter()
        .map(|end| match end {
            Ok(text) => text.to_owned(),
            Err(Failed::Body) => "failed".to_owned(),
            Err(Failed::Rejected(rejected)) => rejected.kind().to_owned(),
        })
        .collect();
    format!("{}: {}", BEGUN.load(Ordering::SeqCst), ends.join(" "))
}

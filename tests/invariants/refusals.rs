//! What was refused before its body ran.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{CircuitState, Rejected, bulkhead, cached, circuit_breaker, deadline, rate_limited, timeout};
use tokio::time::{Instant, advance, sleep};

use crate::support::{Error, ms, poll_once};

#[deadline(1s)]
#[circuit_breaker(consecutive = 1, window = 10, min_calls = 10)]
#[rate_limited(1/h, burst = 1, per = attempt)]
#[timeout(100ms)]
#[bulkhead(max = 1, queue = 1)]
async fn crowded() -> Result<(), Error> {
    sleep(ms(50)).await;
    Ok(())
}

#[deadline(1s)]
#[circuit_breaker(consecutive = 1, window = 10, min_calls = 10)]
#[timeout(100ms)]
#[bulkhead(max = 1, queue = 1)]
async fn queued(takes: u64) -> Result<(), Error> {
    sleep(ms(takes)).await;
    Ok(())
}

/// One failure would open these circuits.
#[tokio::test(start_paused = true)]
async fn i_02_refusals_of_ours_and_time_in_a_queue_are_no_failures_of_the_dependency() {
    let limited = hardening::circuit("refusals::crowded").unwrap();
    assert_eq!(crowded().await, Ok(()));
    for _ in 0..20 {
        assert!(matches!(crowded().await, Err(Error::Rejected(Rejected::RateLimited { .. }))));
    }
    assert_eq!((limited.state(), limited.window()), (CircuitState::Closed, (1, 0, 0)));

    let circuit = hardening::circuit("refusals::queued").unwrap();
    let mut first = Box::pin(queued(99));
    assert_eq!(poll_once(&mut first).await, None);
    advance(ms(1)).await;
    let mut second = Box::pin(queued(0));
    assert_eq!(poll_once(&mut second).await, None);
    for _ in 0..20 {
        assert!(matches!(queued(0).await, Err(Error::Rejected(Rejected::BulkheadFull { .. }))));
    }
    // A deadline that has passed, and one that passes in the queue.
    let passed = hardening::context::scope(std::sync::Arc::default(), Some(Instant::now()), queued(0)).await;
    assert!(matches!(passed, Err(Error::Rejected(Rejected::DeadlineExceeded { .. }))), "{passed:?}");
    drop(second);
    let soon = Some(Instant::now() + ms(5));
    let late = hardening::context::scope(std::sync::Arc::default(), soon, queued(0)).await;
    assert!(matches!(late, Err(Error::Rejected(Rejected::DeadlineExceeded { .. }))), "{late:?}");
    assert_eq!(circuit.window(), (0, 0, 0), "nothing has run to its end");
    assert_eq!(first.await, Ok(()));
    assert_eq!((circuit.state(), circuit.window()), (CircuitState::Closed, (1, 0, 0)));
    // What runs too long is one.
    assert!(matches!(queued(200).await, Err(Error::Rejected(Rejected::Timeout { .. }))));
    assert_eq!(circuit.state(), CircuitState::Open);
}

static REFRESHES: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 1s, jitter = 0%, key = 0, stale_while_revalidate = 1h, refresh_timeout = 2s)]
async fn refreshed() -> Result<Option<Duration>, Rejected> {
    sleep(ms(500)).await;
    REFRESHES.fetch_add(1, Ordering::SeqCst);
    Ok(hardening::context::remaining())
}

#[tokio::test(start_paused = true)]
async fn i_37_a_refresh_in_the_background_has_a_time_of_its_own() {
    assert_eq!(refreshed().await, Ok(None));
    advance(ms(1100)).await;
    // The caller's time would not be enough for it.
    let soon = Some(Instant::now() + ms(10));
    let stale = hardening::context::scope(std::sync::Arc::default(), soon, refreshed()).await;
    assert_eq!(stale, Ok(None));
    sleep(ms(600)).await;
    assert_eq!(REFRESHES.load(Ordering::SeqCst), 2);
    let left = refreshed().await.unwrap().expect("it ran within a time of its own");
    assert_eq!(left, ms(1500));
}

#[rate_limited(50000/s, burst = 3)]
async fn fast() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn i_43_a_rate_far_above_its_burst_is_kept() {
    let mut admitted = 0;
    for _ in 0..100_000 {
        admitted += u32::from(fast().await.is_ok());
        advance(Duration::from_micros(10)).await;
    }
    assert_eq!(admitted, 50_000 + 2, "one second's worth, and the burst that was there");
}

#[rate_limited(7/100ms, burst = 2)]
async fn polite() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn i_47_who_waits_as_it_was_told_is_refused_once_at_most() {
    for _ in 0..500 {
        if let Err(refused) = polite().await {
            advance(refused.retry_after().expect("a limit says when")).await;
            assert_eq!(polite().await, Ok(()));
        }
    }
}

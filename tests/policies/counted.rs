//! Counters that are read while calls end.

use std::sync::atomic::{AtomicBool, Ordering};

use hardening::{Rejected, cached, circuit_breaker, context, fallback, rate_limited, retry};

use super::support::metric;

#[cached(ttl = 1h, key = ())]
async fn hit() -> Result<u32, Rejected> {
    Ok(1)
}

#[circuit_breaker(mode = forced_open)]
async fn refused() -> Result<u32, Rejected> {
    Ok(1)
}

#[rate_limited(1/h, burst = 1, key = 1)]
async fn limited() -> Result<u32, Rejected> {
    Ok(1)
}

#[fallback(Ok(2))]
#[circuit_breaker(mode = forced_open)]
async fn answered() -> Result<u32, Rejected> {
    Ok(1)
}

#[retry(attempts = 2, backoff = 0ms, budget = none, idempotent)]
async fn repeated() -> Result<u32, Rejected> {
    if context::attempt() == 1 { Err(Rejected::ShuttingDown) } else { Ok(1) }
}

/// Calls of this module that have ended, however they did.
fn all() -> u64 {
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    let ours = text.lines().filter(|line| line.starts_with("hardening_calls_total{call=\"counted::"));
    ours.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

#[test]
fn results_that_are_kept_refused_and_repeated_are_counted_exactly_under_scrapes() {
    const EACH: u64 = 20_000;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::SeqCst) {
                    let now = all();
                    assert!((last..=5 * 4 * EACH).contains(&now), "{now} after {last}");
                    last = now;
                }
            });
        }
        let call = || async {
            for _ in 0..EACH {
                hit().await.unwrap();
                refused().await.unwrap_err();
                let _ = limited().await;
                answered().await.unwrap();
                repeated().await.unwrap();
            }
        };
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(move || runtime().block_on(call()))).collect();
        let ends: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ends.iter().all(Result::is_ok));
    });
    assert_eq!(all(), 5 * 4 * EACH);
    let ended = |call: &str, outcome: &str| {
        metric(&format!("hardening_calls_total{{call=\"counted::{call}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((ended("hit", "success"), ended("hit", "failure")), (4 * EACH, 0));
    assert_eq!((ended("refused", "circuit_open"), ended("refused", "success")), (4 * EACH, 0));
    assert_eq!((ended("limited", "rate_limited"), ended("limited", "success")), (4 * EACH - 1, 1));
    assert_eq!((ended("answered", "fallback"), ended("answered", "circuit_open")), (4 * EACH, 0));
    assert_eq!((ended("repeated", "success"), ended("repeated", "failure")), (4 * EACH, 0));
    let asked = |result: &str| {
        metric(&format!("hardening_cache_requests_total{{call=\"counted::hit\",result=\"{result}\"}}"))
    };
    assert_eq!(asked("hit") + asked("miss") + asked("joined"), 4 * EACH);
}

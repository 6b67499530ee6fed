//! The measured functions under our attributes, as anybody would write them.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Duration;

use hardening::{bulkhead, cached, circuit_breaker, rate_limited, retry, timeout};
use hardening_runtime::__private::{CircuitBreakerSpec, Rate, RateLimitSpec};
use hardening_runtime::clock;
use hardening_runtime::policy::circuit_breaker::{Admission, CircuitBreaker, Verdict};
use hardening_runtime::policy::rate_limit::{Decision, Limiter, hash_key};

use crate::{Failure, body, ready, repeat};

#[retry(attempts = 3, backoff = 50ms..2s, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
#[rate_limited(100_000_000/s)]
#[timeout(200ms)]
#[bulkhead(max = 64)]
pub(crate) async fn full(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
pub(crate) async fn broken(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[retry(idempotent)]
pub(crate) async fn repeated(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 1h)]
async fn opened(value: u64) -> Result<u64, Failure> {
    body(value).await
}

/// An open circuit's refusal, as the caller gets it.
pub(crate) fn open(calls: u64) -> u64 {
    if let Ok(circuit) = hardening::circuit("ours::opened") {
        circuit.open_for(Duration::from_secs(3600));
    }
    repeat(calls, |n| ready(opened(n)).is_err())
}

/// What the breaker itself takes for it, with one look at the clock.
pub(crate) fn open_alone(calls: u64) -> u64 {
    static OPEN: OnceLock<CircuitBreaker> = OnceLock::new();
    let open = OPEN.get_or_init(|| {
        let spec = CircuitBreakerSpec { consecutive: Some(1), ..CircuitBreakerSpec::DEFAULT };
        let breaker = CircuitBreaker::new("open", spec, None, clock::now());
        if let Admission::Admitted(permit) = breaker.admit(clock::now()) {
            // Far in the future, so that it stays open.
            breaker.record(permit, clock::now() + (1 << 60), Verdict::Failure, 0);
        }
        breaker
    });
    repeat(calls, |_| matches!(open.admit(clock::now()), Admission::Refused { .. }))
}

const KEYS: u64 = 10_000;

fn limiter() -> Limiter {
    let spec = RateLimitSpec::new(Rate::per_secs(100_000, 1)).with_burst(1_000_000);
    Limiter::new("keyed", spec.with_key(true).with_max_keys(200_000))
}

/// A check of one of ten thousand keys.
pub(crate) fn keyed(calls: u64) -> u64 {
    static LIMITER: OnceLock<Limiter> = OnceLock::new();
    let limiter = LIMITER.get_or_init(|| {
        let limiter = limiter();
        for key in 0..KEYS {
            limiter.check(hash_key(&key), 1, clock::now());
        }
        limiter
    });
    repeat(calls, |n| {
        let key = black_box(n * 7919 % KEYS);
        matches!(limiter.check(hash_key(&key), 1, clock::now()), Decision::Allowed { .. })
    })
}

#[cached(ttl = 1h, key = key, max_entries = 20_000)]
async fn kept(key: u64) -> Result<u64, Failure> {
    body(key).await
}

/// A hit among ten thousand results.
pub(crate) fn cached(calls: u64) -> u64 {
    static FILLED: OnceLock<()> = OnceLock::new();
    FILLED.get_or_init(|| {
        for key in 0..KEYS {
            let _ = ready(kept(key));
        }
    });
    repeat(calls, |n| ready(kept(black_box(n * 7919 % KEYS))).is_ok())
}

#[global_allocator]
static ALLOCATIONS: dhat::Alloc = dhat::Alloc;

/// What a key and a circuit hold.
pub(crate) fn memory() -> Vec<(&'static str, f64)> {
    const MANY: u64 = 100_000;
    let _profiler = dhat::Profiler::builder().testing().build();
    let held = || dhat::HeapStats::get().curr_bytes as f64;
    let before = held();
    let limiter = limiter();
    for key in 0..MANY {
        limiter.check(hash_key(&key), 1, clock::now());
    }
    let key = (held() - before) / MANY as f64;
    let before = held();
    let breakers: Vec<CircuitBreaker> = (0..100)
        .map(|_| CircuitBreaker::new("one", CircuitBreakerSpec::DEFAULT, None, clock::now()))
        .collect();
    let breaker = (held() - before) / breakers.len() as f64;
    vec![("one key of a rate limit, of 100000", key), ("one circuit with its numbers", breaker)]
}

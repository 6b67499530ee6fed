//! The measured functions, as anybody would write them.

use hardening::{bulkhead, circuit_breaker, hardened, rate_limited, retry, timeout};

use crate::{Failure, body};

/// Everything that the floor does.
#[retry(attempts = 3, backoff = 50ms..2s, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
#[rate_limited(100_000_000/s)]
#[timeout(200ms)]
#[bulkhead(max = 64)]
pub(crate) async fn full(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[hardened]
pub(crate) async fn observed(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[timeout(200ms)]
pub(crate) async fn timed(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[retry(idempotent)]
pub(crate) async fn repeated(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
pub(crate) async fn broken(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[rate_limited(100_000_000/s)]
pub(crate) async fn limited(value: u64) -> Result<u64, Failure> {
    body(value).await
}

#[bulkhead(max = 64)]
pub(crate) async fn bounded(value: u64) -> Result<u64, Failure> {
    body(value).await
}

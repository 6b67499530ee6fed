use crate::{Failure, body};
use hardening::__private::*;
use std::time::Duration;

macro_rules! fun { ($name:ident, $spec:expr) => {
pub(crate) async fn $name(value: u64) -> Result<u64, Failure> {
    static SITE: Site = Site::new(Place::new(concat!(module_path!(), "::", stringify!($name)), "x", file!(), line!()), $spec);
    register!(SITE);
    let mut call = SITE.begin();
    let settled = loop {
        if call.must_wait() { call.wait().await; }
        let outcome = call.attempt(async { let value = replay(&value); body(value).await }).await;
        if let std::ops::ControlFlow::Break(settled) = call.settle(outcome) { break settled; }
    };
    call.finish(settled)
}
}}
fun!(full, CallSpec { timeout: Some(Duration::from_millis(200)),
  retry: Some(RetrySpec { idempotent: true, ..RetrySpec::DEFAULT }),
  circuit_breaker: Some(CircuitBreakerSpec::DEFAULT),
  rate_limits: [Some(RateLimitSpec::new(Rate::new(100_000_000, Duration::from_secs(1)))), None, None, None],
  bulkhead: Some(BulkheadSpec::new(64)), ..CallSpec::NONE });
fun!(observed, CallSpec::NONE);
fun!(timeout, CallSpec { timeout: Some(Duration::from_millis(200)), ..CallSpec::NONE });
fun!(retry, CallSpec { retry: Some(RetrySpec { idempotent: true, ..RetrySpec::DEFAULT }), ..CallSpec::NONE });
fun!(breaker, CallSpec { circuit_breaker: Some(CircuitBreakerSpec::DEFAULT), ..CallSpec::NONE });
fun!(limit, CallSpec { rate_limits: [Some(RateLimitSpec::new(Rate::new(100_000_000, Duration::from_secs(1)))), None, None, None], ..CallSpec::NONE });
fun!(bulkhead, CallSpec { bulkhead: Some(BulkheadSpec::new(64)), ..CallSpec::NONE });

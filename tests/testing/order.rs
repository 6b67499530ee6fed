//! [I-79]: what happens in a call happens in the documented order.

use std::time::Duration;

use hardening::context::{Principal, as_principal};
use hardening::testing::What::{
    AttemptCharged, AttemptEnded, Authorized, Begun, BodyBegun, BulkheadEntered, BulkheadLeft, CacheLookedAt,
    CallCharged, CircuitPassed, CircuitTold, Ended, FallenBack, Refused, Retried,
};
use hardening::testing::{Fault, alone, inject, record};
use hardening::{
    Rejected, bulkhead, cached, circuit_breaker, deadline, fallback, rate_limited, requires, retry, timeout,
};

#[bulkhead(max = 4)]
#[timeout(100ms)]
#[rate_limited(1000/s, per = attempt)]
#[circuit_breaker]
#[retry(attempts = 3, backoff = 10ms, jitter = none, idempotent)]
#[cached(ttl = 10s, key = sku)]
#[rate_limited(1000/s)]
#[deadline(5s)]
#[fallback(Ok(0))]
#[requires("price:read")]
async fn price(sku: u32) -> Result<u32, Rejected> {
    Ok(sku)
}

#[tokio::test(start_paused = true)]
async fn i_79_a_full_stack_does_what_it_does_in_the_documented_order() {
    let _alone = alone();
    let clerk = || Principal::new("clerk").with_scope("price:read");
    let recorder = record("order::price");
    let _fault = inject("order::price", Fault::error().times(1));
    assert_eq!(as_principal(clerk(), price(7)).await, Ok(7));
    let first = [
        Begun,
        Authorized,
        CallCharged,
        CacheLookedAt,
        CircuitPassed,
        AttemptCharged,
        BulkheadEntered,
        BodyBegun(1),
        hardening::testing::What::Fault,
        Refused("injected"),
        BulkheadLeft,
        CircuitTold,
        AttemptEnded(1, "failure"),
        Retried(Duration::from_millis(10)),
        CircuitPassed,
        AttemptCharged,
        BulkheadEntered,
        BodyBegun(2),
        AttemptEnded(2, "success"),
        BulkheadLeft,
        CircuitTold,
        Ended("success"),
    ];
    assert_eq!(recorder.order(), first, "{:#?}", recorder.events());
    recorder.clear();
    assert_eq!(as_principal(clerk(), price(7)).await, Ok(7));
    assert_eq!(recorder.order(), [Begun, Authorized, CallCharged, CacheLookedAt, Ended("success")]);
    recorder.clear();
    assert_eq!(price(7).await, Err(Rejected::Unauthenticated));
    assert_eq!(recorder.order(), [Begun, Refused("rejected"), Ended("rejected")]);
    recorder.clear();
    let _broken = inject("order::price", Fault::error());
    assert_eq!(as_principal(clerk(), price(8)).await, Ok(0));
    let order = recorder.order();
    assert_eq!(order[order.len() - 2..], [FallenBack, Ended("fallback")], "outermost of all that answers");
    assert_eq!(order.iter().filter(|what| matches!(what, BodyBegun(_))).count(), 3);
}

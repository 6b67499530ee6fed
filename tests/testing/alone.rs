//! States between tests, and calls that must be there.

use hardening::testing::{alone, assert_calls, reset};
use hardening::{CircuitState, Rejected, circuit, circuit_breaker, policy, rate_limited};

policy! {
    static SHARED: RateLimiter = { rate = 1/h, burst = 1 };
}

#[circuit_breaker(consecutive = 1)]
#[rate_limited(1/h, burst = 2)]
#[rate_limited(SHARED)]
async fn once(fails: bool) -> Result<(), Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn a_reset_gives_everything_its_beginning() {
    let _alone = alone();
    for _ in 0..3 {
        assert_eq!(once(true).await, Err(Rejected::ShuttingDown));
        assert_eq!(circuit("alone::once").unwrap().state(), CircuitState::Open);
        reset();
        assert_eq!(once(false).await, Ok(()));
        assert!(matches!(once(false).await, Err(Rejected::RateLimited { limiter: "SHARED", .. })));
        reset();
    }
}

#[test]
fn calls_and_their_policies_are_there() {
    assert_calls(["alone::once"]);
    assert_calls([
        "alone::once: circuit_breaker, rate_limited, rate_limited_2",
        "faults::price: retry timeout",
    ]);
    assert_calls([("alone::once", ["circuit_breaker", "rate_limited"])]);
    let failed = |expected: &'static str| {
        *std::panic::catch_unwind(|| assert_calls([expected])).unwrap_err().downcast::<String>().unwrap()
    };
    let missing = failed("alone::once: timeout");
    assert!(
        missing.contains("alone.rs:") && missing.contains("has no `timeout`; it has `circuit_breaker`"),
        "{missing}"
    );
    assert!(failed("alone::onec").contains("did you mean `alone::once`?"));
}

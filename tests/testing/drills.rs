//! Promises, kept and broken.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hardening::{
    CircuitState, Rejected, bulkhead, cache, cached, catalogue, circuit, circuit_breaker, deadline, fallback,
    hedged, idempotent, policy, rate_limited, requires, retry, testing, timeout,
};
use hardening_spec::{CallSpec, CircuitBreakerSpec};

#[fallback(Ok(0))]
#[deadline(2s)]
#[rate_limited(50/s, burst = 10)]
#[retry(attempts = 3, backoff = 20ms..200ms, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, min_calls = 10, open_for = 2s)]
#[timeout(200ms)]
#[bulkhead(max = 5, queue = 2)]
async fn price(sku: u32) -> Result<u32, Rejected> {
    Ok(sku)
}

#[requires("orders:write")]
#[rate_limited(10/min, burst = 3, key = customer, wait = 10s)]
#[circuit_breaker(consecutive = 5, open_for = 5s..60s, key = customer)]
#[bulkhead(max = 2, key = customer)]
async fn order(customer: u64) -> Result<u64, Rejected> {
    Ok(customer)
}

#[circuit_breaker(adaptive)]
#[bulkhead(adaptive)]
async fn stock() -> Result<u32, Rejected> {
    Ok(1)
}

/// One of these tests changes numbers, which the others must not see.
static ONE: Mutex<()> = Mutex::new(());

fn one() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_call_keeps_its_promises() {
    let _one = one();
    hardening::drills!();
}

#[tokio::test(start_paused = true)]
async fn what_is_drilled_is_what_runs() {
    let _alone = testing::alone();
    assert_eq!((price(7).await, stock().await, sabotaged().await), (Ok(7), Ok(1), Ok(1)));
    assert_eq!(order(7).await, Err(Rejected::Unauthenticated));
}

#[test]
fn a_report_says_what_was_drilled_with_its_line() {
    let _one = one();
    let report = testing::drill();
    let of = |call: &str| {
        let promises = report.promises.iter().filter(|promise| promise.call == call);
        promises.map(|promise| promise.policy).collect::<Vec<_>>()
    };
    let price =
        ["timeout", "deadline", "retry", "retry", "circuit_breaker", "rate_limited", "bulkhead", "fallback"];
    assert_eq!(of("drills::price"), price);
    assert_eq!(of("drills::order"), ["requires", "circuit_breaker", "rate_limited", "bulkhead"]);
    assert_eq!(of("drills::stock"), ["circuit_breaker", "bulkhead"]);
    let text = report.to_string();
    assert!(text.contains("drills::price timeout: an attempt is cut after 200ms"), "{text}");
    assert!(text.contains("tests/testing/drills.rs:"), "{text}");
    assert!(
        text.contains("order::price cached: callers share one load, and nothing older than 10s"),
        "{text}"
    );
    let left_out = [
        "drills::cramped hedged: its bulkhead has one place",
        "drills::crowded bulkhead: it has room for 10050 callers, and at most 10000 are drilled",
        "drills::momentary hedged: its time is too short to learn from",
        "drills::roomy bulkhead: it has room for 20000 callers, and at most 10000 are drilled",
    ];
    assert_eq!(report.left_out.len(), left_out.len(), "{text}");
    for left_out in left_out {
        assert!(text.contains(&format!("not drilled  {left_out} (")), "{left_out}: {text}");
    }
    assert_eq!((of("drills::roomy"), of("drills::crowded")), (vec![], vec![]));
    assert_eq!(of("drills::packed"), ["bulkhead"]);
    assert_eq!(of("drills::brief"), ["timeout", "hedged"]);
    assert_eq!(of("drills::soon_over"), ["deadline", "hedged"]);
    assert_eq!(of("drills::momentary"), ["deadline"]);
}

#[cached(ttl = 30s, key = sku, stale_while_revalidate = 10s, stale_if_error = 10m)]
#[rate_limited(10/s, burst = 1)]
#[circuit_breaker(consecutive = 1)]
#[bulkhead(max = 1)]
async fn kept(sku: u32) -> Result<u32, Rejected> {
    Ok(sku)
}

#[cached(ttl = 1s, key = sku, max_entries = 1, jitter = 50%, stale_if_error = 300ms)]
#[retry(attempts = 3, idempotent)]
async fn kept_shortly(sku: u32) -> Result<u32, Rejected> {
    Ok(sku)
}

#[requires("orders:write")]
#[idempotent(key = number, fingerprint = (), ttl = 1h, max_keys = 1)]
#[rate_limited(1/s, burst = 1)]
#[circuit_breaker(consecutive = 1)]
#[timeout(1s)]
async fn placed(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[idempotent(key = number, fingerprint = (), ttl = 1h, lease = 10s, on_takeover = conflict)]
async fn placed_once(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[deadline(2s)]
#[hedged(after = 50ms, budget = 10%, idempotent)]
#[timeout(200ms)]
#[bulkhead(max = 2)]
async fn hurried() -> Result<u32, Rejected> {
    Ok(1)
}

#[hedged(after = p95, max = 2, idempotent)]
#[circuit_breaker]
async fn learning() -> Result<u32, Rejected> {
    Ok(1)
}

policy! {
    static EXTRAS: RetryBudget = { ratio = 10% };
}

#[hedged(after = 20ms, budget = EXTRAS, idempotent)]
async fn sharing() -> Result<u32, Rejected> {
    Ok(1)
}

#[hedged(after = 0s, budget = 100%, idempotent)]
async fn at_once() -> Result<u32, Rejected> {
    Ok(1)
}

#[hedged(after = 50ms, idempotent)]
#[bulkhead(max = 1)]
async fn cramped() -> Result<u32, Rejected> {
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn answers_and_second_executions_are_drilled_with_types_of_the_drill_s_own() {
    let _alone = testing::alone();
    let kept = (kept(1).await, kept_shortly(2).await, placed(3).await, placed_once(4).await);
    assert_eq!(kept, (Ok(1), Ok(2), Err(Rejected::Unauthenticated), Ok(4)));
    let hedged = (hurried().await, learning().await, at_once().await, cramped().await, sharing().await);
    assert_eq!(hedged, (Ok(1), Ok(1), Ok(1), Ok(1), Ok(1)));
    // What a drill has kept is no function's.
    assert!(!cache("drills::kept").unwrap().invalidate(&2_u64));
}

/// Numbers with which a policy cannot do what it says, as no settings file may give them.
#[test]
fn a_store_without_room_and_a_hedge_that_sends_nothing_are_found() {
    let _one = one();
    let change = |call: &str, change: fn(&mut CallSpec)| {
        let site = catalogue::site(call).unwrap();
        let mut spec = *site.declared();
        change(&mut spec);
        site.configure(&spec);
        site
    };
    let changed = [
        change("drills::kept_shortly", |spec| spec.cached.as_mut().unwrap().max_entries = 0),
        change("drills::learning", |spec| spec.hedged.as_mut().unwrap().max = 0),
        change("drills::placed", |spec| spec.idempotent.as_mut().unwrap().max_keys = 0),
    ];
    let report = testing::drill();
    for site in changed {
        site.configure(site.declared());
    }
    let broken: Vec<_> = report.broken().map(|promise| (promise.call, promise.policy)).collect();
    let expected = [
        ("drills::kept_shortly", "cached"),
        ("drills::learning", "hedged"),
        ("drills::placed", "idempotent"),
    ];
    assert_eq!(broken, expected, "{report}");
}

#[circuit_breaker(consecutive = 3, open_for = 5s)]
#[timeout(1s)]
async fn sabotaged() -> Result<u32, Rejected> {
    Ok(1)
}

#[test]
fn a_policy_that_does_nothing_is_found() {
    let site = catalogue::site("drills::sabotaged").unwrap();
    // Numbers with which it never opens in practice, as settings may give them.
    let _one = one();
    let mut spec = *site.declared();
    spec.circuit_breaker = spec.circuit_breaker.map(|breaker| CircuitBreakerSpec {
        consecutive: None,
        min_calls: 200_000,
        ..breaker
    });
    site.configure(&spec);
    let report = testing::drill();
    site.configure(site.declared());
    let broken: Vec<_> =
        report.broken().map(|promise| (promise.call, promise.policy, promise.line)).collect();
    assert_eq!(broken, [("drills::sabotaged", "circuit_breaker", site.place().line)], "{report}");
    assert_eq!(circuit("drills::sabotaged").unwrap().state(), CircuitState::Closed);
    assert!(report.to_string().contains("100000 failures did not open it"), "{report}");
    assert!(std::panic::catch_unwind(|| report.assert()).is_err());
}

#[bulkhead(adaptive, key = tenant)]
async fn adapted(tenant: u32) -> Result<u32, Rejected> {
    Ok(tenant)
}

#[rate_limited(1/s, burst = 2, wait = 500ms)]
async fn patient() -> Result<u32, Rejected> {
    Ok(1)
}

#[retry(attempts = 3, idempotent)]
#[circuit_breaker(consecutive = 1)]
async fn wary() -> Result<u32, Rejected> {
    Ok(1)
}

#[circuit_breaker(adaptive, min_calls = 2000)]
async fn slow_to_judge() -> Result<u32, Rejected> {
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn promises_are_judged_together_with_what_limits_them() {
    let _alone = testing::alone();
    let run = (adapted(1).await, patient().await, wary().await, slow_to_judge().await);
    assert_eq!(run, (Ok(1), Ok(1), Ok(1), Ok(1)));
}

#[bulkhead(max = 20000)]
async fn roomy() -> Result<u32, Rejected> {
    Ok(1)
}

#[bulkhead(max = 50, queue = 10000)]
async fn crowded() -> Result<u32, Rejected> {
    Ok(1)
}

#[bulkhead(max = 50, queue = 9950)]
async fn packed() -> Result<u32, Rejected> {
    Ok(1)
}

#[hedged(after = p99, idempotent, budget = 1%)]
#[timeout(5ms)]
async fn brief() -> Result<u32, Rejected> {
    Ok(1)
}

#[deadline(6ms)]
#[hedged(after = p99, idempotent, budget = 1%)]
async fn soon_over() -> Result<u32, Rejected> {
    Ok(1)
}

#[deadline(2ms)]
#[hedged(after = p99, idempotent)]
async fn momentary() -> Result<u32, Rejected> {
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_a_drill_and_what_has_little_time_works() {
    let _alone = testing::alone();
    let wide = (roomy().await, crowded().await, packed().await);
    assert_eq!(wide, (Ok(1), Ok(1), Ok(1)));
    assert_eq!((brief().await, soon_over().await, momentary().await), (Ok(1), Ok(1), Ok(1)));
}

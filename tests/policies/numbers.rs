//! Numbers that a program puts in force by itself.

use std::cell::Cell;

use hardening::{Rejected, bulkhead, catalogue, policy, retry, timeout};

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

#[retry(attempts = 2, backoff = 1ms..1ms, budget = none, idempotent)]
#[timeout(50ms)]
async fn tuned() -> Result<(), Rejected> {
    RUNS.set(RUNS.get() + 1);
    std::future::pending().await
}

policy! {
    static NUMBERED: Bulkhead = { max = 1 };
    static LEFT_ALONE: Bulkhead = { max = 1 };
}

#[bulkhead(NUMBERED)]
async fn numbered() -> Result<(), Rejected> {
    std::future::pending().await
}

#[bulkhead(LEFT_ALONE)]
async fn left_alone() -> Result<(), Rejected> {
    std::future::pending().await
}

async fn runs() -> (u32, u128) {
    RUNS.set(0);
    let began = tokio::time::Instant::now();
    assert!(matches!(tuned().await, Err(Rejected::Timeout { .. })));
    (RUNS.get(), began.elapsed().as_millis())
}

/// How many of ten calls at once find a place.
async fn places<F: Future<Output = Result<(), Rejected>>>(call: impl Fn() -> F) -> usize {
    let mut calls: Vec<_> = std::iter::repeat_with(|| Box::pin(call())).take(10).collect();
    let mut places = 0;
    for call in &mut calls {
        let refused = tokio::time::timeout(std::time::Duration::from_millis(1), call).await;
        places += usize::from(refused.is_err());
    }
    places
}

#[tokio::test(start_paused = true)]
async fn a_program_puts_numbers_in_force_and_takes_them_back() {
    assert_eq!((runs().await, places(numbered).await), ((2, 101), 1));
    let numbers = [
        ("call.numbers::tuned.retry.attempts", "4"),
        ("call.numbers::tuned.timeout", "10ms"),
        ("HARDENING_POLICY__NUMBERED__MAX", "3"),
        // Nothing of ours.
        ("HARDENING_CONFIG", "orders.toml"),
        ("HARDENING_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(catalogue::configure(&numbers), Ok(2));
    assert_eq!((runs().await, places(numbered).await), ((4, 43), 3));
    assert_eq!(catalogue::configure(&numbers), Ok(0), "they are in force");
    let declared = [
        ("HARDENING_CALL__NUMBERS_TUNED__RETRY__ATTEMPTS", "2"),
        ("HARDENING_CALL__NUMBERS_TUNED__TIMEOUT", "50ms"),
        ("policy.NUMBERED.max", "1"),
    ];
    assert_eq!(catalogue::configure(&declared), Ok(2));
    assert_eq!((runs().await, places(numbered).await), ((2, 101), 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_and_nothing_changes() {
    for (name, value, says) in [
        ("call.numbers::tunde.retry.attempts", "4", "did you mean `numbers::tuned`?"),
        ("call.numbers::tuned.rerty.attempts", "4", "did you mean `retry`?"),
        ("call.numbers::tuned.retry.attempst", "4", "did you mean `attempts`?"),
        ("call.numbers::tuned.retry.attempts", "many", "number"),
        ("call.numbers::tuned.retry.attempts", "0", "at least 1"),
        ("call.numbers::tuned.bulkhead.max", "4", "has no `bulkhead`"),
        ("call.numbers::left_alone.bulkhead.max", "4", "write `policy.LEFT_ALONE`"),
        ("call.numbers::tuned.timeout", "0s", "numbers.rs"),
        ("call.numbers::tuned", "4", "write `call.<name>.<policy>.<key>`"),
        ("HARDENING_CALL__NUMBERS_TUNDE__TIMEOUT", "4s", "did you mean `NUMBERS_TUNED`?"),
        ("http.listen", "127.0.0.1:0", "write `call.<name>.<policy>.<key>`"),
    ] {
        let numbers = [("policy.LEFT_ALONE.max", "7"), (name, value)];
        let problems = catalogue::configure(&numbers).expect_err(name);
        assert!(problems.len() == 1 && problems[0].contains(says), "{name}: {problems:?}");
        assert_eq!(places(left_alone).await, 1, "{name}");
    }
}

#[hardening::deadline(1h)]
#[hardening::cached(ttl = 1m, key = sku, max_entries = 10)]
#[hardening::hedged(after = 10s, max = 2, idempotent)]
#[hardening::rate_limited(1/h, burst = 1)]
#[hardening::rate_limited(2/h, burst = 2, key = sku)]
#[hardening::circuit_breaker(consecutive = 7)]
#[bulkhead(max = 3)]
#[timeout(1m)]
async fn switched(sku: u32) -> Result<u32, Rejected> {
    Ok(sku)
}

#[tokio::test(start_paused = true)]
async fn what_was_switched_off_is_switched_on_with_its_numbers() {
    let site = catalogue::site("numbers::switched").unwrap();
    for (policy, key) in [
        ("deadline", "value"),
        ("cached", "ttl"),
        ("hedged", "max"),
        ("rate_limited", "wait"),
        ("rate_limited_2", "burst"),
        ("circuit_breaker", "consecutive"),
        ("bulkhead", "max"),
        ("timeout", "value"),
    ] {
        let set = |key: &str, value: &str| {
            catalogue::configure(&[(format!("call.numbers::switched.{policy}.{key}"), value)])
        };
        assert_eq!(set("enabled", "true"), Ok(0), "{policy} is on");
        assert_eq!(set("enabled", "false"), Ok(1), "{policy}");
        assert_eq!(set("enabled", "false"), Ok(0), "{policy} is off");
        assert_ne!(site.effective(), *site.declared(), "{policy}");
        let problems = set(key, "2").expect_err("it is off");
        assert!(problems.len() == 1 && problems[0].contains("switched off"), "{policy}: {problems:?}");
        assert_eq!(set("enabled", "true"), Ok(1), "{policy}");
        assert_eq!(site.effective(), *site.declared(), "{policy}");
    }
    // A limit that is on counts.
    assert_eq!(catalogue::configure(&[("call.numbers::switched.cached.enabled", "false")]), Ok(1));
    assert_eq!(switched(7).await, Ok(7));
    assert!(matches!(switched(7).await, Err(Rejected::RateLimited { .. })));
}

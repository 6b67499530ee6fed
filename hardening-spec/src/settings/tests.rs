use super::*;
use crate::{After, BulkheadSpec, FallbackSpec, HedgeSpec, IdempotentSpec, Rate, Ratio, Window};

fn full() -> CallSpec {
    let mut spec = CallSpec {
        timeout: Some(Duration::from_millis(200)),
        deadline: Some(Duration::from_secs(3)),
        retry: Some(RetrySpec { idempotent: true, ..RetrySpec::DEFAULT }),
        circuit_breaker: Some(CircuitBreakerSpec::ADAPTIVE),
        bulkhead: Some(BulkheadSpec::adaptive()),
        fallback: Some(FallbackSpec::DEFAULT),
        hedged: Some(HedgeSpec::new(After::Duration(Duration::from_millis(50)))),
        idempotent: Some(IdempotentSpec::DEFAULT),
        cached: Some(
            CacheSpec::new(Duration::from_secs(1)).with_negative(Duration::from_secs(1)).with_max_bytes(1),
        ),
        ..CallSpec::NONE
    };
    spec.rate_limits[0] = Some(RateLimitSpec::new(Rate::new(100, Duration::from_secs(1))));
    spec.rate_limits[1] = Some(RateLimitSpec::new(Rate::new(10, Duration::from_secs(1))));
    spec
}

#[test]
fn every_setting_of_the_tables_can_be_set() {
    for policy in
        POLICIES.into_iter().filter(|policy| !matches!(*policy, "rate_limited_3" | "rate_limited_4"))
    {
        for key in attribute(policy).unwrap().keys.iter().filter(|key| key.setting) {
            let text = match key.kind {
                Kind::Duration | Kind::Negative => "70ms",
                Kind::Range | Kind::RangeOrNever => "70ms..7s",
                Kind::Ratio | Kind::RatioOrNone => "7%",
                Kind::Rate => "7/s",
                Kind::After => "p70",
                Kind::Window => "70",
                Kind::Count | Kind::CountOrZero | Kind::Factor => "7",
                Kind::Bytes => "7MiB",
                Kind::Choice(words) => words[1],
                other => panic!("no setting has the form {other:?}"),
            };
            let (before, mut after) = (full(), full());
            set(&mut after, policy, key.name, Raw::Text(text)).unwrap();
            assert_ne!(before, after, "{policy}.{} = {text} changed nothing", key.name);
        }
    }
}

#[test]
fn native_values_and_texts_mean_the_same() {
    let mut spec = full();
    set(&mut spec, "retry", "attempts", Raw::Int(5)).unwrap();
    set(&mut spec, "circuit_breaker", "failure_rate", Raw::Float(0.25)).unwrap();
    set(&mut spec, "circuit_breaker", "window", Raw::Int(100)).unwrap();
    set(&mut spec, "retry", "factor", Raw::Float(1.5)).unwrap();
    set(&mut spec, "rate_limited_2", "burst", Raw::Text("3")).unwrap();
    assert_eq!(spec.retry.unwrap().attempts, 5);
    assert_eq!(spec.circuit_breaker.unwrap().failure_rate, Ratio::percent(25));
    assert_eq!(spec.circuit_breaker.unwrap().window, Window::Calls(100));
    assert_eq!(spec.rate_limits[1].unwrap().burst, Some(3));
    assert_eq!(spec.rate_limits[0].unwrap().burst, None);
}

#[test]
fn a_policy_can_be_switched_off_and_a_number_to_none() {
    let mut spec = full();
    set(&mut spec, "retry", "budget", Raw::Text("none")).unwrap();
    assert_eq!(spec.retry.unwrap().budget, None);
    set(&mut spec, "retry", "enabled", Raw::Bool(false)).unwrap();
    set(&mut spec, "rate_limited_2", "enabled", Raw::Text("false")).unwrap();
    set(&mut spec, "bulkhead", "enabled", Raw::Bool(true)).unwrap();
    assert!(spec.retry.is_none() && spec.rate_limits[1].is_none() && spec.bulkhead.is_some());
}

#[test]
fn what_cannot_be_set_says_what_can() {
    for (policy, key, raw, part) in [
        ("retyr", "attempts", Raw::Int(3), "did you mean `retry`?"),
        ("retry", "attempst", Raw::Int(3), "did you mean `attempts`?"),
        ("retry", "idempotent", Raw::Bool(false), "only be written at the attribute"),
        ("retry", "attempts", Raw::Int(0), "a whole number of at least 1"),
        ("retry", "attempts", Raw::Int(-1), "a whole number of at least 1"),
        ("retry", "attempts", Raw::Text("many"), "a whole number of at least 1"),
        ("retry", "factor", Raw::Float(0.5), "at least 1"),
        ("retry", "jitter", Raw::Text("some"), "`decorrelated`"),
        ("idempotent", "on_takeover", Raw::Text("never"), "`rerun` or `conflict`"),
        ("idempotent", "duplicate", Raw::Text("replay"), "only be written at the attribute"),
        ("timeout", "after", Raw::Int(200), "a duration such as `250ms`"),
        ("timeout", "after", Raw::Text("200"), "`200ms`"),
        ("rate_limited", "rate", Raw::Text("0/s"), "at least 1"),
        ("rate_limited_3", "rate", Raw::Text("1/s"), "has no `rate_limited_3`"),
        ("circuit_breaker", "failure_rate", Raw::Text("120%"), "between 0 and 100"),
        ("circuit_breaker", "enabled", Raw::Int(1), "`true` or `false`"),
    ] {
        let mut spec = full();
        let error = set(&mut spec, policy, key, raw).unwrap_err().to_string();
        assert!(error.contains(part), "{policy}.{key}: {error}");
        assert_eq!(spec, full());
    }
}

//! Section 13: definitions that cannot be meant, for the rules and value forms that attributes and settings share.
//! What the compiler alone can tell (types, names, written words) is among the compile-fail cases.

use std::time::Duration;

use hardening_spec::rules::{Severity, check};
use hardening_spec::settings::{Raw, set};
use hardening_spec::{
    BulkheadSpec, CallSpec, CircuitBreakerSpec, DurationRange, FallbackSpec, Rate, RateLimitSpec, Ratio,
    RetrySpec, Window, units,
};

const RETRY: RetrySpec = RetrySpec::DEFAULT.with_idempotent(true);
const BREAKER: CircuitBreakerSpec = CircuitBreakerSpec::DEFAULT;
const LIMIT: RateLimitSpec = RateLimitSpec::new(Rate::per_secs(10, 1));

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn retrying(retry: RetrySpec) -> CallSpec {
    CallSpec::NONE.with_retry(retry)
}

const fn breaking(breaker: CircuitBreakerSpec) -> CallSpec {
    CallSpec::NONE.with_circuit_breaker(breaker)
}

const fn limited(limit: RateLimitSpec) -> CallSpec {
    CallSpec::NONE.with_rate_limited(limit)
}

const fn bounded(bulkhead: BulkheadSpec) -> CallSpec {
    CallSpec::NONE.with_bulkhead(bulkhead)
}

/// What the rules find, as `policy.key`, with `?` behind a warning.
fn found(spec: &CallSpec) -> Vec<String> {
    let mark = |severity| if severity == Severity::Warning { "?" } else { "" };
    let findings = check(spec, &|_, _| true);
    for finding in &findings {
        assert!(finding.message.len() > 20, "says nothing: {finding:?}");
    }
    findings.iter().map(|found| format!("{}.{}{}", found.policy, found.key, mark(found.severity))).collect()
}

#[track_caller]
fn judged(id: &str, spec: &CallSpec, expected: &str) {
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(found(spec), expected, "{id}");
}

#[test]
fn inv_03_a_delay_that_leaves_no_time_for_a_retry() {
    let waiting = |delay, most| {
        let retry = RETRY.with_backoff(DurationRange::constant(ms(delay))).with_max_duration(ms(most));
        retrying(retry)
    };
    judged("INV-03", &waiting(1000, 500), "retry.max_duration");
    judged("INV-03 equal", &waiting(500, 500), "retry.max_duration");
    judged("INV-03 just", &waiting(500, 501), "");
}

#[test]
fn inv_06_and_21_shares_outside_0_to_100_percent() {
    for text in
        ["-0.1", "1.1", "NaN", "nan", "inf", "-inf", "101%", "-1%", "1e3", "0x1", "", "%", "50 percent"]
    {
        assert!(units::ratio(text).is_err(), "{text}");
    }
    for (share, expected) in [(0, "circuit_breaker.failure_rate"), (1, ""), (1_000_000, "")] {
        judged("INV-21", &breaking(BREAKER.with_failure_rate(Ratio::millionths(share))), expected);
    }
    let slow = BREAKER.with_slow_call(ms(500));
    judged("INV-21", &breaking(slow.with_slow_rate(Ratio::millionths(0))), "circuit_breaker.slow_rate");
    judged("INV-21", &breaking(slow.with_slow_rate(Ratio::percent(100))), "");
    judged("INV-21", &retrying(RETRY.with_budget(Some(Ratio::percent(0)))), "retry.budget");
}

#[test]
fn inv_07_08_and_21_windows() {
    judged("INV-07", &breaking(BREAKER.with_window(Window::Calls(0))), "circuit_breaker.window");
    judged("INV-07", &breaking(BREAKER.with_window(Window::Calls(65_536))), "circuit_breaker.window");
    judged("INV-07", &breaking(BREAKER.with_window(Window::Calls(65_535))), "");
    judged("INV-21", &breaking(BREAKER.with_window(Window::secs(0))), "circuit_breaker.window");
    judged("INV-21", &breaking(BREAKER.with_min_calls(0)), "circuit_breaker.min_calls");
    judged(
        "INV-21",
        &breaking(BREAKER.with_window(Window::Calls(20)).with_min_calls(21)),
        "circuit_breaker.min_calls",
    );
    for text in ["-1", "-1s", "1.5", "ten", "", "99999999999"] {
        assert!(units::window(text).is_err(), "{text}");
    }
}

#[test]
fn inv_09_and_21_open_periods_probes_and_slow_calls() {
    let open_for = |from, to| breaking(BREAKER.with_open_for(DurationRange::millis(from, to)));
    judged("INV-09", &open_for(0, 0), "circuit_breaker.open_for");
    judged("INV-09", &open_for(0, 1000), "circuit_breaker.open_for");
    judged("INV-09", &open_for(2000, 1000), "circuit_breaker.open_for");
    judged("INV-09", &open_for(1000, 1000), "");
    for (probes, expected) in
        [(0, "circuit_breaker.probes"), (256, "circuit_breaker.probes"), (1, ""), (255, "")]
    {
        judged("INV-21", &breaking(BREAKER.with_probes(probes)), expected);
    }
    judged("INV-21", &breaking(BREAKER.with_slow_call(ms(0))), "circuit_breaker.slow_call");
    judged("INV-21", &breaking(BREAKER.with_probe_timeout(ms(0))), "circuit_breaker.probe_timeout");
    judged("INV-21", &breaking(BREAKER.with_consecutive(0)), "circuit_breaker.consecutive");
}

#[test]
fn inv_10_bulkheads() {
    judged("INV-10", &bounded(BulkheadSpec::new(0)), "bulkhead.max");
    judged("INV-10", &bounded(BulkheadSpec::new(0).with_queue(5)), "bulkhead.max");
    judged("INV-10", &bounded(BulkheadSpec::new(1)), "");
    judged("INV-10", &bounded(BulkheadSpec::new(1).with_queue(1).with_max_wait(ms(0))), "bulkhead.max_wait");
    judged("INV-10", &bounded(BulkheadSpec::new(1).with_max_wait(ms(10))), "bulkhead.max_wait");
}

#[test]
fn inv_16_growing_delays() {
    for factor in [0.99, 0.0, -1.0, f64::NAN, f64::INFINITY] {
        judged("INV-16", &retrying(RETRY.with_factor(factor)), "retry.factor");
    }
    judged("INV-16", &retrying(RETRY.with_factor(1.0)), "");
    judged("INV-16", &retrying(RETRY.with_backoff(DurationRange::secs(2, 1))), "retry.backoff");
    judged("INV-16", &retrying(RETRY.with_backoff(DurationRange::secs(1, 1))), "");
    // A cap beyond the longest duration is only never reached; the first delays are what `max_duration` allows.
    let capped = RETRY.with_backoff(DurationRange::millis(100, 2000)).with_max_duration(ms(1000));
    judged("INV-16", &retrying(capped), "");
}

#[test]
fn inv_22_attempts_and_limits_of_zero() {
    judged("INV-22", &retrying(RETRY.with_attempts(0)), "retry.attempts");
    judged("INV-22 never repeated", &retrying(RETRY.with_attempts(1)), "retry.attempts?");
    judged("INV-22", &limited(RateLimitSpec::new(Rate::per_secs(0, 1))), "rate_limited.rate");
    judged("INV-22", &limited(RateLimitSpec::new(Rate::per_secs(1, 0))), "rate_limited.rate");
    judged("INV-22", &limited(RateLimitSpec::new(Rate::per_nanos(2, 1))), "rate_limited.rate");
    judged("INV-22", &limited(RateLimitSpec::new(Rate::per_nanos(1, 1))), "");
    judged("INV-22", &limited(LIMIT.with_burst(0)), "rate_limited.burst");
    judged("INV-22", &limited(LIMIT.with_key(true).with_max_keys(0)), "rate_limited.max_keys");
    for text in ["0/s", "-1/s", "1.5/s", "1/0s", "1", "/s", "1/", "1/fortnight"] {
        assert!(units::rate(text).is_err(), "{text}");
    }
}

#[test]
fn inv_24_and_27_times_that_do_not_fit_into_each_other() {
    let timed = |timeout, deadline| CallSpec::NONE.with_timeout(ms(timeout)).with_deadline(ms(deadline));
    judged("INV-24", &timed(3001, 3000), "timeout.after");
    judged("INV-24 equal", &timed(3000, 3000), "");
    judged("INV-24 zero", &timed(0, 3000), "timeout.after");
    judged("INV-24 zero", &timed(0, 0), "timeout.after deadline.after");
    let repeated = |timeout, deadline, attempts| {
        timed(timeout, deadline)
            .with_retry(RETRY.with_attempts(attempts).with_backoff(DurationRange::secs(0, 0)))
    };
    judged("INV-27", &repeated(1000, 1999, 2), "retry.attempts");
    judged("INV-27", &repeated(1000, 2000, 2), "");
    judged("INV-27", &repeated(10_000, 30_000, 4), "retry.attempts?");
    judged("INV-27", &repeated(10_000, 40_000, 4), "");
    judged(
        "INV-27 fallback",
        &CallSpec::NONE.with_fallback(FallbackSpec::DEFAULT.with_within(ms(0))),
        "fallback.within",
    );
}

#[test]
fn inv_25_a_window_shorter_than_its_calls() {
    let windowed = |window| breaking(BREAKER.with_window(Window::millis(window))).with_timeout(ms(1000));
    judged("INV-25", &windowed(1999), "circuit_breaker.window?");
    judged("INV-25", &windowed(3999), "circuit_breaker.window?");
    judged("INV-25", &windowed(4000), "");
}

fn everything() -> CallSpec {
    CallSpec::NONE
        .with_timeout(ms(1000))
        .with_deadline(ms(10_000))
        .with_retry(RETRY)
        .with_circuit_breaker(BREAKER)
        .with_rate_limited(LIMIT)
        .with_bulkhead(BulkheadSpec::new(5).with_queue(5))
        .with_fallback(FallbackSpec::DEFAULT)
}

/// What an attribute refuses by its words, settings refuse by their values.
#[test]
fn inv_01_to_22_values_that_settings_refuse() {
    let refused: [(&str, &str, &str, &[Raw]); 14] = [
        ("INV-01", "retry", "attempts", &[Raw::Int(-3), Raw::Int(0), Raw::Text("-3"), Raw::Text("abc")]),
        ("INV-02", "retry", "backoff", &[Raw::Text("-1ms"), Raw::Text("2s..1s"), Raw::Text("1s..-2s")]),
        ("INV-02", "retry", "max_duration", &[Raw::Text("-1s"), Raw::Int(5)]),
        ("INV-04", "retry", "jitter", &[Raw::Int(-1), Raw::Text("-1ms"), Raw::Text("50ms")]),
        ("INV-05", "timeout", "after", &[Raw::Text("-1ms"), Raw::Int(-1), Raw::Float(1.5)]),
        (
            "INV-06",
            "circuit_breaker",
            "failure_rate",
            &[Raw::Float(-0.1), Raw::Float(1.1), Raw::Float(f64::NAN)],
        ),
        ("INV-07", "circuit_breaker", "window", &[Raw::Int(-1), Raw::Text("-1"), Raw::Float(0.5)]),
        ("INV-08", "circuit_breaker", "probes", &[Raw::Int(0), Raw::Int(-1), Raw::Int(1 << 40)]),
        ("INV-09", "circuit_breaker", "open_for", &[Raw::Text("-1ms"), Raw::Int(-1)]),
        ("INV-10", "bulkhead", "max", &[Raw::Int(0), Raw::Int(-1), Raw::Text("-1")]),
        ("INV-10", "bulkhead", "queue", &[Raw::Int(-1), Raw::Text("-1"), Raw::Text("none")]),
        (
            "INV-16",
            "retry",
            "factor",
            &[Raw::Float(0.5), Raw::Int(0), Raw::Float(f64::NAN), Raw::Text("inf")],
        ),
        ("INV-22", "rate_limited", "rate", &[Raw::Text("0/s"), Raw::Text("1/0s"), Raw::Int(5)]),
        ("INV-22", "rate_limited", "burst", &[Raw::Int(0), Raw::Int(-1)]),
    ];
    for (id, policy, key, values) in refused {
        for value in values {
            let mut spec = everything();
            let answer = set(&mut spec, policy, key, *value);
            assert!(answer.is_err(), "{id}: {policy}.{key} took {value:?}");
            assert_eq!(
                spec,
                everything(),
                "{id}: {policy}.{key} = {value:?} was refused and changed something"
            );
        }
    }
}

/// Policies that a function does not have cannot be set: nothing is added from outside.
#[test]
fn inv_15_settings_of_what_is_not_there() {
    for (policy, key) in [("retry", "backoff"), ("circuit_breaker", "window"), ("rate_limited_2", "rate")] {
        let mut spec = CallSpec::NONE.with_timeout(ms(1000));
        let why = set(&mut spec, policy, key, Raw::Text("1s")).unwrap_err().to_string();
        assert!(why.contains(&format!("has no `{policy}`")), "{why}");
    }
}

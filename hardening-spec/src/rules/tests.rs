//! One test for each rule: what breaks it, and what just does not.

mod begins;

use super::*;
use crate::units;
use crate::{CacheSpec, FallbackSpec, IdempotentSpec, Refusals};
use crate::{Jitter, RateLimitSpec};
use crate::{Per, Rate};

const RETRY: RetrySpec = RetrySpec { idempotent: true, ..RetrySpec::DEFAULT };
const BREAKER: CircuitBreakerSpec = CircuitBreakerSpec::DEFAULT;
const LIMIT: RateLimitSpec = RateLimitSpec::new(Rate::new(10, Duration::from_secs(1)));

fn time(text: &str) -> Duration {
    units::duration(text).unwrap()
}

fn range(text: &str) -> DurationRange {
    let (from, to) = text.split_once("..").unwrap();
    DurationRange::new(time(from), time(to))
}

fn retrying(retry: RetrySpec) -> CallSpec {
    CallSpec { retry: Some(retry), ..CallSpec::NONE }
}

fn breaking(breaker: CircuitBreakerSpec) -> CallSpec {
    CallSpec { circuit_breaker: Some(breaker), ..CallSpec::NONE }
}

fn limited(limit: RateLimitSpec) -> CallSpec {
    CallSpec::NONE.with_rate_limited(LIMIT).with_rate_limited(limit)
}

fn bounded(bulkhead: BulkheadSpec) -> CallSpec {
    CallSpec { bulkhead: Some(bulkhead), ..CallSpec::NONE }
}

fn timed(timeout: &str, deadline: &str, retry: Option<RetrySpec>) -> CallSpec {
    CallSpec { timeout: Some(time(timeout)), deadline: Some(time(deadline)), retry, ..CallSpec::NONE }
}

/// What `check` finds, as `policy.key`, with `?` behind a warning.
fn found(spec: &CallSpec) -> Vec<String> {
    let mark = |severity| if severity == Severity::Warning { "?" } else { "" };
    let findings = check(spec, &|_, _| true);
    findings.iter().map(|f| format!("{}.{}{}", f.policy, f.key, mark(f.severity))).collect()
}

#[track_caller]
fn only(spec: &CallSpec, expected: &str) {
    assert_eq!(found(spec), [expected]);
}

#[track_caller]
fn sound(spec: &CallSpec) {
    assert_eq!(found(spec), [""; 0]);
}

#[test]
fn defaults_break_no_rule() {
    let fallback = Some(FallbackSpec { on_rejected: Refusals::TIMEOUT, ..FallbackSpec::DEFAULT });
    let bulkhead = Some(BulkheadSpec::new(1));
    let breaker = Some(BREAKER);
    sound(&CallSpec { circuit_breaker: breaker, bulkhead, fallback, ..timed("1s", "10s", Some(RETRY)) });
}

#[test]
fn limits_of_time_are_above_zero() {
    only(&CallSpec { timeout: Some(Duration::ZERO), ..CallSpec::NONE }, "timeout.after");
    only(&CallSpec { deadline: Some(Duration::ZERO), ..CallSpec::NONE }, "deadline.after");
    let fallback = FallbackSpec { within: Duration::ZERO, ..FallbackSpec::DEFAULT };
    only(&CallSpec { fallback: Some(fallback), ..CallSpec::NONE }, "fallback.within");
}

#[test]
fn a_timeout_above_the_deadline_never_strikes() {
    only(&timed("4s", "3s", None), "timeout.after");
    only(&timed("4s", "3s", Some(RETRY)), "timeout.after");
    sound(&timed("3s", "3s", None));
}

#[test]
fn numbers_of_a_retry() {
    only(&retrying(RetrySpec { attempts: 0, ..RETRY }), "retry.attempts");
    only(&retrying(RetrySpec { attempts: 1, ..RETRY }), "retry.attempts?");
    for factor in [0.9, -1.0, f64::NAN, f64::INFINITY] {
        only(&retrying(RetrySpec { factor, ..RETRY }), "retry.factor");
    }
    sound(&retrying(RetrySpec { factor: 1.0, ..RETRY }));
    only(&retrying(RetrySpec { budget: Some(Ratio::percent(0)), ..RETRY }), "retry.budget");
    only(&retrying(RetrySpec { budget: Some(Ratio::percent(101)), ..RETRY }), "retry.budget");
    sound(&retrying(RetrySpec { budget: None, ..RETRY }));
    only(&retrying(RetrySpec { backoff: range("2s..1s"), ..RETRY }), "retry.backoff");
    only(&retrying(RetrySpec { backoff: range("0s..1s"), ..RETRY }), "retry.backoff?");
    sound(&retrying(RetrySpec { backoff: range("0s..0s"), ..RETRY }));
}

#[test]
fn a_retry_may_last_longer_than_its_first_delay() {
    let lasting = |most: &str, backoff: &str| {
        retrying(RetrySpec { max_duration: Some(time(most)), backoff: range(backoff), ..RETRY })
    };
    only(&lasting("500ms", "1s..1s"), "retry.max_duration");
    only(&lasting("500ms", "500ms..1s"), "retry.max_duration");
    only(&lasting("0s", "0s..0s"), "retry.max_duration");
    sound(&lasting("501ms", "500ms..1s"));
}

#[test]
fn a_call_that_is_cut_is_never_slow() {
    let slow = |timeout: Option<&str>, deadline: Option<&str>| CallSpec {
        timeout: timeout.map(time),
        deadline: deadline.map(time),
        ..breaking(CircuitBreakerSpec { slow_call: Some(time("1s")), ..CircuitBreakerSpec::DEFAULT })
    };
    for cut in ["500ms", "1s"] {
        only(&slow(Some(cut), None), "circuit_breaker.slow_call?");
        only(&slow(None, Some(cut)), "circuit_breaker.slow_call?");
    }
    sound(&slow(None, Some("2s")));
    sound(&slow(Some("2s"), Some("3s")));
}

#[test]
fn a_cache_of_a_few_bytes_is_doubtful() {
    let held = |max_bytes| CallSpec {
        cached: Some(CacheSpec { max_bytes: Some(max_bytes), ..CacheSpec::new(time("1s")) }),
        ..CallSpec::NONE
    };
    only(&held(1), "cached.max_bytes?");
    only(&held(1023), "cached.max_bytes?");
    sound(&held(1024));
}

#[test]
fn shares_of_a_breaker() {
    only(
        &breaking(CircuitBreakerSpec { failure_rate: Ratio::percent(0), ..BREAKER }),
        "circuit_breaker.failure_rate",
    );
    let above = Ratio::millionths(1_000_001);
    only(&breaking(CircuitBreakerSpec { failure_rate: above, ..BREAKER }), "circuit_breaker.failure_rate");
    let slow_call = Some(time("1s"));
    let slow = |slow_rate| breaking(CircuitBreakerSpec { slow_call, slow_rate, ..BREAKER });
    only(&slow(Ratio::percent(0)), "circuit_breaker.slow_rate");
    sound(&slow(Ratio::percent(100)));
    let alone = CircuitBreakerSpec { slow_rate: Ratio::percent(60), ..BREAKER };
    only(&breaking(alone), "circuit_breaker.slow_rate");
}

#[test]
fn windows_of_a_breaker() {
    let windowed = |window, min_calls| breaking(CircuitBreakerSpec { window, min_calls, ..BREAKER });
    only(&windowed(Window::Time(Duration::ZERO), 20), "circuit_breaker.window");
    only(&windowed(Window::Calls(65_536), 20), "circuit_breaker.window");
    only(&windowed(Window::Calls(0), 20), "circuit_breaker.window");
    only(&windowed(Window::Calls(20), 21), "circuit_breaker.min_calls");
    sound(&windowed(Window::Calls(20), 20));
    only(&windowed(Window::Calls(20), 0), "circuit_breaker.min_calls");
    only(&windowed(Window::Calls(20), 9), "circuit_breaker.min_calls?");
    let timeout = Some(time("3s"));
    only(&CallSpec { timeout, ..breaking(BREAKER) }, "circuit_breaker.window?");
}

#[test]
fn other_numbers_of_a_breaker() {
    only(&breaking(CircuitBreakerSpec { consecutive: Some(0), ..BREAKER }), "circuit_breaker.consecutive");
    only(
        &breaking(CircuitBreakerSpec { slow_call: Some(Duration::ZERO), ..BREAKER }),
        "circuit_breaker.slow_call",
    );
    only(&breaking(CircuitBreakerSpec { open_for: range("0s..1s"), ..BREAKER }), "circuit_breaker.open_for");
    only(&breaking(CircuitBreakerSpec { open_for: range("2s..1s"), ..BREAKER }), "circuit_breaker.open_for");
    for probes in [0, 256] {
        only(&breaking(CircuitBreakerSpec { probes, ..BREAKER }), "circuit_breaker.probes");
    }
    let probe_timeout = Some(Duration::ZERO);
    only(&breaking(CircuitBreakerSpec { probe_timeout, ..BREAKER }), "circuit_breaker.probe_timeout");
    let slow = breaking(CircuitBreakerSpec { slow_call: Some(time("1s")), ..BREAKER });
    only(&CallSpec { timeout: Some(time("1s")), ..slow }, "circuit_breaker.slow_call?");
}

#[test]
fn numbers_of_a_rate_limit() {
    let zero = RateLimitSpec { rate: Rate::new(0, time("1s")), ..LIMIT };
    only(&limited(zero), "rate_limited.rate");
    only(&limited(RateLimitSpec { rate: Rate::new(1, Duration::ZERO), ..LIMIT }), "rate_limited.rate");
    only(&limited(RateLimitSpec { rate: Rate::new(2, time("1ns")), ..LIMIT }), "rate_limited.rate");
    only(&limited(RateLimitSpec { burst: Some(0), ..LIMIT }), "rate_limited.burst");
    only(&limited(RateLimitSpec { keyed: true, max_keys: 0, ..LIMIT }), "rate_limited.max_keys");
    only(&limited(RateLimitSpec { max_keys: 5, ..LIMIT }), "rate_limited.max_keys");
    sound(&limited(RateLimitSpec { keyed: true, max_keys: 5, ..LIMIT }));
    assert_eq!(check(&limited(zero), &|_, _| true)[0].index, 1);
    only(&limited(LIMIT.with_cost(11)), "rate_limited.cost");
    sound(&limited(LIMIT.with_cost(10)));
}

#[test]
fn a_burst_comes_back_within_a_hundred_years() {
    let slow = |per: &str, burst| RateLimitSpec {
        burst: Some(burst),
        ..RateLimitSpec::new(Rate::new(1, time(per)))
    };
    let day = slow("1d", 214_000);
    only(&limited(day), "rate_limited.burst");
    assert!(check(&limited(day), &|_, _| true)[0].message.contains("at most 36500,"));
    only(&limited(slow("1d", 36_501)), "rate_limited.burst");
    sound(&limited(slow("1d", 36_500)));
    only(&limited(slow("1ns", u32::MAX).with_max_keys(5)), "rate_limited.max_keys");
    only(&limited(RateLimitSpec::new(Rate::new(1, Duration::from_secs(3_153_600_001)))), "rate_limited.rate");
    sound(&limited(RateLimitSpec::new(Rate::new(1, Duration::from_hours(876_000)))));
    only(&limited(RateLimitSpec::new(Rate::new(1, Duration::MAX))), "rate_limited.rate");
    let units = RateLimitSpec { burst: Some(u32::MAX), ..RateLimitSpec::new(Rate::new(3, Duration::MAX)) };
    only(&limited(units), "rate_limited.rate");
}

#[test]
fn a_turn_leaves_the_body_its_half_of_the_time() {
    let waiting = |wait: &str, per| RateLimitSpec { wait: time(wait), per, ..LIMIT };
    let within = |limit, deadline: &str| CallSpec { deadline: Some(time(deadline)), ..limited(limit) };
    only(&within(waiting("51ms", Per::Call), "100ms"), "rate_limited.wait?");
    sound(&within(waiting("50ms", Per::Call), "100ms"));
    let cut = |limit| CallSpec { timeout: Some(time("50ms")), ..within(limit, "100ms") };
    only(&cut(waiting("30ms", Per::Attempt)), "rate_limited.wait?");
    sound(&cut(waiting("30ms", Per::Call)));
    sound(&limited(waiting("1h", Per::Call)));
}

#[test]
fn numbers_of_a_bulkhead() {
    let ten = BulkheadSpec::new(10);
    let wait = Some(time("1s"));
    only(&bounded(BulkheadSpec::new(0)), "bulkhead.max");
    only(&bounded(BulkheadSpec { max_wait: wait, ..ten }), "bulkhead.max_wait");
    only(&bounded(BulkheadSpec { queue: 1, max_wait: Some(Duration::ZERO), ..ten }), "bulkhead.max_wait");
    let queued = bounded(BulkheadSpec { queue: 1, max_wait: wait, ..ten });
    sound(&queued);
    for limit in ["1s", "1999ms"].map(|limit| Some(time(limit))) {
        only(&CallSpec { timeout: limit, ..queued }, "bulkhead.max_wait?");
        only(&CallSpec { deadline: limit, ..queued }, "bulkhead.max_wait?");
    }
    let (longer, shorter) = (Some(time("10s")), Some(time("1500ms")));
    only(&CallSpec { deadline: longer, timeout: shorter, ..queued }, "bulkhead.max_wait?");
    sound(&CallSpec { deadline: longer, timeout: Some(time("2s")), ..queued });
}

#[test]
fn a_rule_is_skipped_where_its_value_is_not_known() {
    let unknown = |policy, key| move |p: &str, k: &str| !(p == policy && k == key);
    let spec = breaking(CircuitBreakerSpec { window: Window::Time(Duration::ZERO), ..BREAKER });
    assert_eq!(check(&spec, &unknown("circuit_breaker", "window")), []);
    let spec = retrying(RetrySpec { backoff: range("2s..1s"), ..RETRY });
    assert_eq!(check(&spec, &unknown("retry", "backoff")), []);
    let spec = timed("1s", "2s", Some(RetrySpec { jitter: Jitter::None, attempts: 2, ..RETRY }));
    assert_eq!(check(&spec, &unknown("retry", "backoff")), []);
}

#[test]
fn a_lease_has_some_length_and_a_short_one_is_doubtful() {
    let with = |lease| {
        let idempotent = IdempotentSpec { lease, ..IdempotentSpec::DEFAULT };
        check(&CallSpec { idempotent: Some(idempotent), ..CallSpec::NONE }, &|_, _| true)
    };
    let severity = |lease| with(Some(lease)).first().map(|finding| (finding.key, finding.severity));
    assert_eq!(severity(Duration::ZERO), Some(("lease", Severity::Error)));
    assert_eq!(severity(Duration::from_millis(999)), Some(("lease", Severity::Warning)));
    assert_eq!((severity(Duration::from_secs(1)), with(None)), (None, Vec::new()));
}

#[test]
fn limits_that_a_busy_process_reaches_are_odd() {
    only(&CallSpec::NONE.with_timeout(time("5ms")), "timeout.after?");
    only(&CallSpec::NONE.with_timeout(time("9999us")), "timeout.after?");
    only(&CallSpec::NONE.with_deadline(time("5ms")), "deadline.after?");
    sound(&CallSpec::NONE.with_timeout(time("10ms")));
    sound(&CallSpec::NONE.with_deadline(time("10ms")));
}

#[test]
fn backoffs_of_days_and_factors_of_nothing_are_odd() {
    only(&retrying(RETRY.with_backoff(range("25h..25h"))), "retry.backoff?");
    only(&retrying(RETRY.with_backoff(range("50ms..25h"))), "retry.backoff?");
    sound(&retrying(RETRY.with_backoff(range("50ms..24h"))));
    only(&retrying(RETRY.with_backoff(range("1s..1s")).with_factor(3.0)), "retry.factor?");
    sound(&retrying(RETRY.with_backoff(range("1s..2s")).with_factor(3.0)));
    only(&retrying(RETRY.with_factor(3.0).with_jitter(Jitter::Decorrelated)), "retry.factor?");
    only(&retrying(RETRY.with_max_retry_after(Duration::ZERO)), "retry.max_retry_after");
    sound(&retrying(RETRY.with_max_retry_after(time("1ns"))));
}

#[test]
fn moments_are_odd_for_a_circuit_breaker() {
    only(&breaking(BREAKER.with_window(Window::Time(time("400ms")))), "circuit_breaker.window?");
    only(&breaking(BREAKER.with_open_for(range("400ms..400ms"))), "circuit_breaker.open_for?");
    only(&breaking(BREAKER.with_open_for(range("499ms..10s"))), "circuit_breaker.open_for?");
    sound(&breaking(BREAKER.with_window(Window::Time(time("500ms"))).with_open_for(range("500ms..500ms"))));
    only(&breaking(BREAKER.with_ramp(Duration::ZERO)), "circuit_breaker.ramp");
    sound(&breaking(BREAKER.with_ramp(time("30s"))));
    let probed = |probe| breaking(BREAKER.with_probe_timeout(time(probe))).with_timeout(time("1s"));
    only(&probed("1001ms"), "circuit_breaker.probe_timeout?");
    sound(&probed("1s"));
}

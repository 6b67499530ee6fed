//! What can never begin.

use super::*;

#[test]
fn a_second_attempt_fits_the_deadline() {
    let jittered = |jitter| Some(RetrySpec { jitter, backoff: range("100ms..1s"), attempts: 2, ..RETRY });
    only(&timed("2s", "3s", Some(RETRY)), "retry.attempts");
    only(&timed("1s", "2s", jittered(Jitter::None)), "retry.attempts");
    only(&timed("1s", "2049ms", jittered(Jitter::Equal)), "retry.attempts");
    only(&timed("1s", "2050ms", jittered(Jitter::Equal)), "retry.attempts?");
    sound(&timed("1s", "2100ms", jittered(Jitter::Decorrelated)));
    only(&timed("2s", "3s", Some(RetrySpec { attempts: 1, ..RETRY })), "retry.attempts?");
    let message = &check(&timed("2s", "3s", Some(RETRY)), &|_, _| true)[0].message;
    for part in ["timeout 2s + backoff of at least 0s + timeout 2s = 4s", "deadline is 3s", "1s500ms"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_second_attempt_begins_before_the_deadline() {
    let waiting = |backoff, jitter, attempts| CallSpec {
        deadline: Some(time("1s")),
        ..retrying(RetrySpec { backoff: range(backoff), jitter, attempts, ..RETRY })
    };
    only(&waiting("2s..10s", Jitter::None, 3), "retry.backoff");
    only(&waiting("1s..10s", Jitter::None, 2), "retry.backoff");
    only(&waiting("2s..10s", Jitter::Equal, 3), "retry.backoff");
    sound(&waiting("900ms..10s", Jitter::None, 2));
    sound(&waiting("2s..10s", Jitter::Full, 3));
}

#[test]
fn a_hedge_needs_a_second_place() {
    let hedged = |max| CallSpec {
        hedged: Some(HedgeSpec::new(After::Duration(time("10ms")))),
        ..bounded(BulkheadSpec::new(max))
    };
    only(&hedged(1), "hedged.max?");
    sound(&hedged(2));
}

#[test]
fn the_last_attempts_should_fit_the_deadline() {
    let retry = RetrySpec { attempts: 4, backoff: range("100ms..250ms"), ..RETRY };
    only(&timed("1s", "4549ms", Some(retry)), "retry.attempts?");
    sound(&timed("1s", "4550ms", Some(retry)));
    let message = &check(&timed("1s", "4s", Some(retry)), &|_, _| true)[0].message;
    assert!(message.contains("4 × timeout 1s + backoffs of up to 550ms = 4s550ms"), "{message}");
}

#[test]
fn an_extra_execution_begins_before_the_time_is_over() {
    let hedge = |after: &str| Some(HedgeSpec::new(After::Duration(time(after))));
    let within = |after, deadline: &str| CallSpec {
        hedged: hedge(after),
        deadline: Some(time(deadline)),
        ..CallSpec::NONE
    };
    let cut = |after, timeout: &str| CallSpec {
        hedged: hedge(after),
        timeout: Some(time(timeout)),
        ..CallSpec::NONE
    };
    only(&cut("1s", "1s"), "hedged.after");
    sound(&cut("999ms", "1s"));
    only(&within("1s", "500ms"), "hedged.after");
    only(&within("500ms", "500ms"), "hedged.after");
    sound(&within("499ms", "500ms"));
    only(&within("1s", "0s"), "deadline.after");
    // One finding for one number: the shorter limit's.
    only(&CallSpec { hedged: hedge("3s"), ..timed("1s", "2s", None) }, "hedged.after");
    let message = &check(&within("1s", "500ms"), &|_, _| true)[0].message;
    for part in ["after 1s never begins", "over after 500ms", "below 500ms"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let unknown = |policy: &str, key: &str| !(policy == "hedged" && key == "after");
    assert_eq!(check(&within("1s", "500ms"), &unknown), []);
}

#[test]
fn hedges_that_never_begin_and_many_of_them_are_odd() {
    let hedged =
        |after, max| CallSpec::NONE.with_hedged(HedgeSpec::new(After::Duration(time(after))).with_max(max));
    only(&hedged("50ms", 11), "hedged.max?");
    sound(&hedged("50ms", 10));
    for limited in [CallSpec::with_deadline, CallSpec::with_timeout] {
        only(&limited(hedged("400ms", 3), time("1s")), "hedged.max?");
        only(&limited(hedged("500ms", 2), time("1s")), "hedged.max?");
        sound(&limited(hedged("400ms", 2), time("1s")));
        sound(&limited(hedged("499ms", 2), time("1s")));
        only(&limited(hedged("1s", 1), time("1s")), "hedged.after");
    }
}

/// A call that is repeated by the clock alone.
fn delayed(backoff: &str, jitter: Jitter, attempts: u32) -> RetrySpec {
    RetrySpec { backoff: range(backoff), jitter, attempts, ..RETRY }
}

#[test]
fn the_last_attempt_begins_before_the_deadline() {
    use Jitter::{Decorrelated, Equal, Full, None};
    let within = |limit, retry| CallSpec { deadline: Some(time(limit)), ..retrying(retry) };
    for (limit, retry, last) in [
        ("1s", delayed("600ms..600ms", None, 3), "attempt 2 of 3"),
        ("1s", delayed("500ms..500ms", None, 3), "attempt 2 of 3"),
        ("1s", delayed("100ms..100ms", None, 11), "attempt 10 of 11"),
        // 100 + 200 + 400 + 800 ms.
        ("700ms", delayed("100ms..10s", None, 4), "attempt 3 of 4"),
        ("1500ms", delayed("100ms..10s", None, u32::MAX), "attempt 4 of"),
        // 100 + 200 + 250 + 250 ms …
        ("800ms", delayed("100ms..250ms", None, 5), "attempt 4 of 5"),
        ("350ms", delayed("100ms..10s", Equal, 4), "attempt 3 of 4"),
        ("300ms", delayed("100ms..10s", Decorrelated, 4), "attempt 3 of 4"),
    ] {
        only(&within(limit, retry), "retry.attempts?");
        let message = &check(&within(limit, retry), &|_, _| true)[0].message;
        assert!(message.contains(last) && message.contains("the deadline"), "{message}");
        // A `max_duration` is there to end the attempts sooner.
        sound(&retrying(RetrySpec { max_duration: Some(time(limit)), ..retry }));
    }
    for (limit, retry) in [
        ("1201ms", delayed("600ms..600ms", None, 3)),
        ("1001ms", delayed("500ms..500ms", None, 3)),
        ("1s", delayed("100ms..100ms", None, 10)),
        ("701ms", delayed("100ms..10s", None, 4)),
        ("801ms", delayed("100ms..250ms", None, 5)),
        ("351ms", delayed("100ms..10s", Equal, 4)),
        ("301ms", delayed("100ms..10s", Decorrelated, 4)),
        ("1s", delayed("600ms..600ms", Full, 3)),
        ("1s", delayed("0s..0s", None, u32::MAX)),
        // Whoever is told another delay follows that.
        ("1s", RetrySpec { told: true, ..delayed("600ms..600ms", None, 3) }),
        ("1s", RetrySpec { told: true, ..delayed("2s..2s", None, 3) }),
    ] {
        sound(&within(limit, retry));
    }
    let message = &check(&within("1s", delayed("600ms..600ms", None, 3)), &|_, _| true)[0].message;
    assert!(message.contains("at least 1s200ms, and the deadline is 1s"), "{message}");
    // Two attempts that never fit are the greater mistake, and the last that can begin says more than that some may not fit.
    only(&timed("900ms", "1s", Some(delayed("600ms..600ms", None, 3))), "retry.attempts");
    let timed = timed("100ms", "1s", Some(delayed("600ms..600ms", None, 3)));
    only(&timed, "retry.attempts?");
    assert!(check(&timed, &|_, _| true)[0].message.contains("attempt 2 of 3"));
    let unknown = |policy: &str, key: &str| (policy, key) != ("retry", "backoff");
    assert_eq!(check(&within("1s", delayed("600ms..600ms", None, 3)), &unknown), []);
}

#[test]
fn attempts_have_turns_within_the_time() {
    let limit =
        RateLimitSpec { per: Per::Attempt, burst: Some(1), ..RateLimitSpec::new(Rate::new(1, time("1m"))) };
    let charged = |deadline, attempts, limit| {
        let retry = delayed("10ms..10ms", Jitter::Full, attempts);
        CallSpec {
            deadline: Some(time(deadline)),
            ..retrying(retry).with_rate_limited(LIMIT).with_rate_limited(limit)
        }
    };
    for (spec, last) in [
        (charged("1s", 3, limit), "attempt 1 of 3"),
        (charged("1s", 2, limit), "attempt 1 of 2"),
        (charged("1m", 2, limit), "attempt 1 of 2"),
        (charged("2m", 3, limit), "attempt 2 of 3"),
        (charged("1s", 3, limit.with_burst(2)), "attempt 2 of 3"),
        (charged("1s", 3, limit.with_burst(9).with_cost(4)), "attempt 2 of 3"),
    ] {
        only(&spec, "retry.attempts?");
        let message = &check(&spec, &|_, _| true)[0].message;
        assert!(message.contains(last), "{last}: {message}");
    }
    sound(&charged("61s", 2, limit));
    sound(&charged("1s", 3, limit.with_burst(3)));
    sound(&charged("1s", 2, limit.with_burst(8).with_cost(4)));
    sound(&charged("1s", 3, limit.with_per(Per::Call)));
    sound(&CallSpec { deadline: None, ..charged("1s", 3, limit) });
    // An attempt that a limit has refused is repeated when that has room.
    let fast = LIMIT.with_per(Per::Attempt);
    let slow = |retry| CallSpec { deadline: Some(time("1s")), ..retrying(retry).with_rate_limited(fast) };
    sound(&slow(delayed("600ms..600ms", Jitter::None, 3)));
    sound(&slow(delayed("2s..2s", Jitter::None, 3)));
    only(&slow(RetrySpec { narrowed: true, ..delayed("600ms..600ms", Jitter::None, 3) }), "retry.attempts?");
    let unknown = |policy: &str, _: &str| policy != "rate_limited";
    let deadline = CallSpec { deadline: Some(time("1s")), ..retrying(delayed("2s..2s", Jitter::None, 3)) };
    assert_eq!(check(&deadline, &unknown), [], "a shared limit may be one per attempt");
}

#[test]
fn a_hedge_needs_a_second_turn() {
    let limit = RateLimitSpec { per: Per::Attempt, burst: Some(1), ..LIMIT };
    let hedged = |after: &str, max, limit| {
        let hedge = HedgeSpec::new(After::Duration(time(after))).with_max(max);
        CallSpec::NONE.with_hedged(hedge).with_rate_limited(limit)
    };
    // A unit comes back in each 100 ms.
    for (spec, begin) in [
        (hedged("10ms", 1, limit), "none ever begins"),
        (hedged("99ms", 1, limit), "none ever begins"),
        (hedged("0s", 1, limit), "none ever begins"),
        (hedged("10ms", 2, limit.with_burst(2)), "no more than 1 begin"),
        (hedged("60ms", 4, limit.with_burst(2)), "no more than 2 begin"),
        (hedged("10ms", 1, limit.with_burst(7).with_cost(4)), "none ever begins"),
    ] {
        only(&spec, "hedged.max?");
        let message = &check(&spec, &|_, _| true)[0].message;
        assert!(message.contains(begin), "{begin}: {message}");
    }
    sound(&hedged("100ms", 3, limit));
    sound(&hedged("10ms", 1, limit.with_burst(2)));
    sound(&hedged("60ms", 2, limit.with_burst(2)));
    sound(&hedged("10ms", 1, limit.with_burst(8).with_cost(4)));
    sound(&hedged("10ms", 1, limit.with_per(Per::Call)));
    let percentile = |deadline: Option<&str>| CallSpec {
        deadline: deadline.map(time),
        ..CallSpec::NONE
            .with_hedged(HedgeSpec::new(After::Percentile(Ratio::percent(95))))
            .with_rate_limited(limit)
    };
    only(&percentile(Some("99ms")), "hedged.max?");
    sound(&percentile(Some("100ms")));
    sound(&percentile(None));
    let unknown = |policy: &str, key: &str| (policy, key) != ("hedged", "after");
    assert_eq!(check(&hedged("0s", 1, limit), &unknown), []);
}

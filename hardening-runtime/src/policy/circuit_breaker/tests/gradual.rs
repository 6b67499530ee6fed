//! Slow calls in flight, and the share that is admitted after closing.

use super::*;
use crate::policy::keyed::Reusable;

#[test]
fn calls_in_flight_that_are_slow_by_now_open_the_circuit() {
    let spec = CircuitBreakerSpec {
        consecutive: None,
        min_calls: 4,
        slow_call: Some(Duration::from_secs(1)),
        window: Spec::Calls(10),
        ..SPEC
    };
    let breaker = breaker(spec);
    let hung: Vec<_> = (0..4).map(|_| admitted(&breaker, 0)).collect();
    admitted(&breaker, SECOND - 1);
    assert_eq!(breaker.state(SECOND - 1), CircuitState::Closed);
    assert_eq!(breaker.admit(SECOND), refused(2 * SECOND));
    for permit in hung {
        breaker.record(permit, SECOND, Verdict::Success, SECOND);
    }
    assert_eq!(breaker.window_counts(SECOND), (0, 0, 0));
    // Once they have ended they are counted where they ended, and quick ones speak for the dependency.
    let breaker = self::breaker(spec);
    let hung: Vec<_> = (0..3).map(|_| admitted(&breaker, 0)).collect();
    assert_eq!(breaker.state(5 * SECOND), CircuitState::Closed, "three, and four are needed");
    for _ in 0..4 {
        breaker.record(admitted(&breaker, 0), 0, Verdict::Success, 0);
    }
    assert_eq!(breaker.state(5 * SECOND), CircuitState::Closed, "three slow ones of seven");
    breaker.record(hung[0], 5 * SECOND, Verdict::Success, 5 * SECOND);
    assert_eq!(breaker.window_counts(5 * SECOND), (5, 0, 1));
    assert_eq!(breaker.state(5 * SECOND), CircuitState::Closed, "three slow ones of seven, still");
    // Neither what is ignored nor what waits speaks against it.
    let waiting = breaker.waits(admitted(&breaker, 5 * SECOND), 5 * SECOND).expect("it is known");
    breaker.record(admitted(&breaker, 5 * SECOND), 60 * SECOND, Verdict::Neither, 55 * SECOND);
    assert_eq!(breaker.state(60 * SECOND), CircuitState::Closed);
    assert!(waiting.begins(60 * SECOND), "only a probe has a time for waiting");
    assert_eq!(breaker.state(61 * SECOND - 1), CircuitState::Closed);
    assert_eq!(breaker.state(61 * SECOND), CircuitState::Open, "four slow ones of eight");
}

#[test]
fn a_call_that_does_not_end_is_slow_or_counts_as_nothing() {
    let spec = CircuitBreakerSpec {
        consecutive: Some(3),
        min_calls: 3,
        slow_call: Some(Duration::from_secs(1)),
        window: Spec::Calls(10),
        ..SPEC
    };
    let breaker = breaker(spec);
    let ends = |began, now, waits| {
        let permit = admitted(&breaker, began);
        let _waiting = if waits { breaker.waits(permit, began) } else { None };
        breaker.record(permit, now, Verdict::Unfinished, now - began);
        breaker.window_counts(now)
    };
    assert_eq!(ends(0, SECOND - 1, false), (0, 0, 0));
    assert_eq!(ends(0, SECOND, true), (0, 0, 0), "it waited: its body did not run");
    assert_eq!(ends(0, SECOND, false), (1, 0, 1));
    breaker.record(admitted(&breaker, SECOND), SECOND, Verdict::Failure, 0);
    breaker.record(Permit::NONE, 9 * SECOND, Verdict::Unfinished, 9 * SECOND);
    breaker.record(admitted(&breaker, 0), SECOND, Verdict::Unfinished, SECOND);
    assert_eq!(breaker.state(SECOND), CircuitState::Open, "two slow ones of three");
    // Half-open, it has failed, also where a timeout is no failure.
    breaker.tune(&CircuitBreakerSpec { timeouts_count: false, ..spec }, None);
    for (began, took, state) in
        [(3 * SECOND, SECOND - 1, CircuitState::HalfOpen), (3 * SECOND, SECOND, CircuitState::Open)]
    {
        breaker.record(admitted(&breaker, began), began + took, Verdict::Unfinished, took);
        assert_eq!(breaker.state(began + took), state, "{took}");
    }
}

#[test]
fn the_watch_follows_the_numbers() {
    let breaker = breaker(CircuitBreakerSpec { consecutive: None, min_calls: 2, ..SPEC });
    let plain: Vec<_> = (0..5).map(|_| admitted(&breaker, 0)).collect();
    let spec = CircuitBreakerSpec {
        slow_call: Some(Duration::from_secs(1)),
        min_calls: 2,
        consecutive: None,
        ..SPEC
    };
    breaker.tune(&spec, None);
    assert_eq!(breaker.state(2 * SECOND), CircuitState::Closed, "they began before there was a watch");
    for permit in plain {
        breaker.record(permit, 2 * SECOND, Verdict::Neither, 0);
    }
    let slow = [(); 2].map(|()| admitted(&breaker, 2 * SECOND));
    breaker.tune(&CircuitBreakerSpec { slow_call: None, ..spec }, None);
    assert_eq!(breaker.state(9 * SECOND), CircuitState::Closed, "nothing is slow");
    for permit in slow {
        breaker.record(permit, 9 * SECOND, Verdict::Success, 7 * SECOND);
    }
    assert_eq!(breaker.window_counts(9 * SECOND), (2, 0, 0));
    assert!(breaker.flights.is_empty(0));
}

/// A circuit that closes at 2 s and admits everything 10 s later.
fn ramping(spec: CircuitBreakerSpec) -> CircuitBreaker {
    let breaker = breaker(CircuitBreakerSpec { ramp: Some(Duration::from_secs(10)), ..spec });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    breaker.record(admitted(&breaker, 2 * SECOND), 2 * SECOND, Verdict::Success, 0);
    breaker
}

#[test]
fn a_growing_share_is_admitted_after_closing() {
    let breaker = ramping(SPEC);
    let mut shares = Vec::new();
    for second in 2..14 {
        let mut passed = 0_u64;
        for call in 0..1000 {
            let now = second * SECOND + call * SECOND / 1000;
            match breaker.admit(now) {
                Admission::Admitted(permit) => {
                    breaker.record(permit, now, Verdict::Success, 0);
                    passed += 1;
                }
                Admission::Refused { retry_after } => {
                    assert!((1..=SECOND).contains(&retry_after) && now + retry_after <= 12 * SECOND);
                }
            }
        }
        shares.push(passed);
        assert_eq!(breaker.state(second * SECOND), CircuitState::Closed);
    }
    // From a tenth on, a second's mean each.
    let wanted = (0..10).map(|second| 145 + 90 * second).chain([1000, 1000]);
    for (second, (passed, wanted)) in shares.iter().zip(wanted).enumerate() {
        assert!(passed.abs_diff(wanted) <= 2, "second {second}: {passed}, not {wanted}: {shares:?}");
    }
    assert!(Word::is_plainly_closed(breaker.word.load(Ordering::Relaxed)), "nothing is looked at any more");
}

#[test]
fn the_first_call_after_closing_passes_and_a_failure_opens_as_ever() {
    let breaker = ramping(SPEC);
    let first = admitted(&breaker, 2 * SECOND);
    assert_eq!(breaker.admit(2 * SECOND), refused(SECOND));
    breaker.record(first, 3 * SECOND, Verdict::Failure, 0);
    assert_eq!(breaker.admit(3 * SECOND), refused(2 * SECOND), "a whole period");
    // Half-open again, everything begins anew.
    breaker.record(admitted(&breaker, 5 * SECOND), 5 * SECOND, Verdict::Success, 0);
    admitted(&breaker, 5 * SECOND);
    assert_eq!(breaker.admit(5 * SECOND), refused(SECOND));
}

#[test]
fn a_ramp_is_none_by_hand_and_over_when_it_is_switched_off() {
    let switched_off = ramping(SPEC);
    admitted(&switched_off, 2 * SECOND);
    switched_off.tune(&SPEC, None);
    for _ in 0..100 {
        admitted(&switched_off, 2 * SECOND);
    }
    let by_hand = ramping(SPEC);
    by_hand.record(admitted(&by_hand, 2 * SECOND), 2 * SECOND, Verdict::Failure, 0);
    by_hand.close();
    for _ in 0..100 {
        admitted(&by_hand, 2 * SECOND);
    }
    let reported = ramping(SPEC);
    reported.give_mode(Mode::MetricsOnly);
    for _ in 0..100 {
        admitted(&reported, 2 * SECOND);
    }
}

#[test]
fn without_a_ramp_a_circuit_is_plainly_closed_at_once() {
    let (breaker, probe) = probing(2);
    breaker.record(probe, 2 * SECOND, Verdict::Success, 0);
    assert!(Word::is_plainly_closed(breaker.word.load(Ordering::Relaxed)));
    // Nor is anything ramping before it is closed.
    let breaker =
        self::breaker(CircuitBreakerSpec { ramp: Some(Duration::from_secs(10)), probes: 2, ..SPEC });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    breaker.record(admitted(&breaker, 2 * SECOND), 2 * SECOND, Verdict::Success, 0);
    let word = Word::unpack(breaker.word.load(Ordering::Relaxed));
    assert_eq!((word.phase, word.ramping), (Phase::HalfOpen, false));
}

#[test]
fn a_circuit_that_ramps_is_not_idle() {
    let breaker = ramping(SPEC);
    assert!(!Reusable::is_idle(&breaker, 12 * SECOND - 1));
    assert!(Reusable::is_idle(&breaker, 12 * SECOND));
    assert!(Reusable::is_idle(&self::breaker(SPEC), 0));
}

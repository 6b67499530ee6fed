//! What cannot be reached from outside: modes, waiting probes, the numbers.

use hardening_spec::{CircuitMode, DurationRange, Ratio, Window as Spec};

use super::window::Counts;
use super::*;

mod gradual;

const SECOND: Nanos = 1_000_000_000;
const SPEC: CircuitBreakerSpec =
    CircuitBreakerSpec { consecutive: Some(1), probes: 1, ..CircuitBreakerSpec::DEFAULT };

fn breaker(spec: CircuitBreakerSpec) -> CircuitBreaker {
    let open_for = DurationRange::secs(2, 2);
    let probe_timeout = Some(Duration::from_secs(5));
    CircuitBreaker::new("in hand", CircuitBreakerSpec { open_for, probe_timeout, ..spec }, None, 0)
}

#[track_caller]
fn admitted(breaker: &CircuitBreaker, now: Nanos) -> Permit {
    match breaker.admit(now) {
        Admission::Admitted(permit) => permit,
        Admission::Refused { retry_after } => panic!("refused at {now} for {retry_after}"),
    }
}

fn refused(retry_after: Nanos) -> Admission {
    Admission::Refused { retry_after }
}

/// A breaker whose only probe is admitted at this second.
fn probing(second: u64) -> (CircuitBreaker, Permit) {
    let breaker = breaker(SPEC);
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    let probe = admitted(&breaker, second * SECOND);
    (breaker, probe)
}

#[test]
fn leave_of_a_moment_is_told_from_that_of_a_word() {
    for now in [0, 1, 2, 3, SECOND, Nanos::MAX >> 1] {
        assert_eq!(Permit::at(now).moment(), Some(now));
    }
    assert_eq!((Permit::NONE.moment(), UNCOUNTED.moment()), (None, None));
    let full = Word {
        mode: Mode::MetricsOnly,
        phase: Phase::HalfOpen,
        watched: true,
        ramping: true,
        opens: 63,
        admitted: u8::MAX,
        succeeded: u8::MAX,
        generation: u32::MAX,
    };
    assert!(UNCOUNTED.word & full.pack() == 0 && UNCOUNTED.word != 0, "no word is taken for it");
}

#[test]
fn a_closed_circuit_that_nobody_has_forced_is_entered_by_one_look() {
    let breaker = breaker(SPEC);
    let permit = breaker.admit_plainly().expect("closed");
    assert!(!CircuitBreaker::is_probe(permit) && !CircuitBreaker::is_probe(Permit::NONE));
    breaker.record(permit, 0, Verdict::Success, 0);
    assert_eq!(breaker.window_counts(0), (1, 0, 0));
    breaker.give_mode(Mode::MetricsOnly);
    assert_eq!(breaker.admit_plainly(), None);
    breaker.give_mode(Mode::Automatic);
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    assert_eq!(breaker.admit_plainly(), None, "open");
    let (half_open, probe) = probing(2);
    assert!(CircuitBreaker::is_probe(probe));
    assert_eq!(half_open.admit_plainly(), None);
}

#[test]
fn where_calls_may_be_slow_each_is_looked_at_from_then_on() {
    let breaker = breaker(SPEC);
    let slow = CircuitBreakerSpec { slow_call: Some(Duration::from_secs(1)), ..SPEC };
    for _ in 0..2 {
        assert!(breaker.admit_plainly().is_some());
        breaker.tune(&slow, None);
        assert_eq!(breaker.admit_plainly(), None);
        breaker.tune(&slow, None);
        assert_eq!(breaker.admit_plainly(), None);
        breaker.tune(&SPEC, None);
    }
    assert!(breaker.admit_plainly().is_some());
}

#[test]
fn an_operator_decides_what_the_machine_would() {
    for (mode, named) in [
        (CircuitMode::Automatic, Mode::Automatic),
        (CircuitMode::ForcedOpen, Mode::ForcedOpen),
        (CircuitMode::Disabled, Mode::Disabled),
        (CircuitMode::MetricsOnly, Mode::MetricsOnly),
    ] {
        assert_eq!(Mode::from(mode), named);
        let breaker = breaker(SPEC);
        breaker.give_mode(named);
        assert_eq!((breaker.rules.mode(), breaker.name()), (named, "in hand"));
    }
    let forced = breaker(SPEC);
    forced.give_mode(Mode::ForcedOpen);
    assert_eq!(forced.admit(7), refused(NEVER), "nothing is due");
    let disabled = breaker(SPEC);
    disabled.give_mode(Mode::Disabled);
    for now in 0..100 {
        disabled.record(admitted(&disabled, now), now, Verdict::Failure, 0);
    }
    assert_eq!(disabled.window_counts(100), (0, 0, 0));
    disabled.give_mode(Mode::Automatic);
    assert_eq!((disabled.state(100), disabled.streak.load(Ordering::Relaxed)), (CircuitState::Closed, 0));
}

#[test]
fn without_deciding_the_machine_runs_as_if_it_did() {
    let breaker = breaker(CircuitBreakerSpec { probes: 2, ..SPEC });
    breaker.give_mode(Mode::MetricsOnly);
    let happened = |from, to| breaker.transition_count(from, to);
    let counted = admitted(&breaker, 0);
    breaker.record(counted, 0, Verdict::Failure, 0);
    assert_eq!(happened(CircuitState::Closed, CircuitState::Open), 1);
    // It would be refused: it passes, and nobody counts it.
    assert_eq!(breaker.admit(SECOND), Admission::Admitted(UNCOUNTED));
    breaker.record(UNCOUNTED, SECOND, Verdict::Failure, 0);
    let probes = [2 * SECOND, 2 * SECOND].map(|now| admitted(&breaker, now));
    assert_eq!(happened(CircuitState::Open, CircuitState::HalfOpen), 1);
    assert_eq!(breaker.admit(3 * SECOND), Admission::Admitted(UNCOUNTED), "one more than the probes");
    breaker.record(UNCOUNTED, 3 * SECOND, Verdict::Failure, 0);
    for probe in probes {
        breaker.record(probe, 3 * SECOND, Verdict::Success, 0);
    }
    assert_eq!(happened(CircuitState::HalfOpen, CircuitState::Closed), 1);
    assert_eq!(happened(CircuitState::HalfOpen, CircuitState::Open), 0);
}

#[test]
fn a_probe_that_waits_is_not_late_and_its_time_begins_with_its_body() {
    let (breaker, probe) = probing(2);
    assert!(breaker.waits(UNCOUNTED, 0).is_none(), "who is not counted is no probe");
    let waiting = breaker.waits(probe, 2 * SECOND).expect("a probe");
    assert_eq!(breaker.admit(3 * SECOND), refused(SECOND), "soon: nobody knows when");
    assert_eq!(breaker.admit(7 * SECOND - 1), refused(1));
    assert!(breaker.still_admits(probe) && waiting.begins(7 * SECOND - 1));
    assert_eq!(breaker.admit(8 * SECOND), refused(SECOND));
    assert_eq!(breaker.state(12 * SECOND - 2), CircuitState::HalfOpen);
    assert_eq!(breaker.admit(12 * SECOND - 2), refused(1));
    assert_eq!(breaker.admit(12 * SECOND - 1), refused(2 * SECOND), "late: the circuit opens again");
    assert_eq!(breaker.state(12 * SECOND), CircuitState::Open);
    assert!(!breaker.still_admits(probe));
}

#[test]
fn a_probe_that_waits_for_too_long_makes_room_for_another_and_decides_nothing() {
    let (breaker, first) = probing(2);
    let waiting = breaker.waits(first, 2 * SECOND).expect("a probe");
    assert_eq!(breaker.admit(7 * SECOND - 1), refused(1));
    let second = admitted(&breaker, 7 * SECOND);
    assert_eq!(breaker.state(7 * SECOND), CircuitState::HalfOpen, "it asked nobody, so nobody failed");
    assert_eq!(breaker.admit(7 * SECOND), refused(SECOND), "one more than the probes");
    assert!(!waiting.begins(8 * SECOND));
    breaker.record(first, 8 * SECOND, Verdict::Failure, 0);
    assert_eq!(breaker.state(8 * SECOND), CircuitState::HalfOpen);
    breaker.record(second, 9 * SECOND, Verdict::Success, 0);
    assert_eq!(breaker.state(9 * SECOND), CircuitState::Closed);
}

#[test]
fn what_waited_begins_only_under_the_circuit_that_admitted_it() {
    let breaker = breaker(SPEC);
    let [waits, fails] = [(); 2].map(|()| admitted(&breaker, 0));
    assert!(breaker.still_admits(waits) && breaker.still_admits(UNCOUNTED));
    breaker.give_mode(Mode::ForcedOpen);
    assert!(!breaker.still_admits(waits) && breaker.still_admits(UNCOUNTED));
    breaker.give_mode(Mode::Automatic);
    assert!(breaker.still_admits(waits));
    breaker.record(fails, 0, Verdict::Failure, 0);
    assert!(!breaker.still_admits(waits), "it has opened");
    breaker.close();
    assert!(!breaker.still_admits(waits), "and closed: it is asked again, and admits");
}

#[test]
fn a_probe_that_never_answers_failed_when_its_time_was_over() {
    // Due at 2 s, over at 7 s, so open until 9 s.
    for (looked, admission) in
        [(7 * SECOND, Some(2 * SECOND)), (8 * SECOND, Some(SECOND)), (9 * SECOND, None)]
    {
        let (breaker, _) = probing(2);
        match admission {
            Some(left) => assert_eq!(breaker.admit(looked), refused(left)),
            None => {
                admitted(&breaker, looked);
            }
        }
        assert_eq!(breaker.transition_count(CircuitState::HalfOpen, CircuitState::Open), 1);
    }
    let (breaker, late) = probing(2);
    let next = admitted(&breaker, 3600 * SECOND);
    breaker.record(late, 3600 * SECOND, Verdict::Failure, 3598 * SECOND);
    assert_eq!(
        breaker.state(3600 * SECOND),
        CircuitState::HalfOpen,
        "its result is one of another generation"
    );
    breaker.record(next, 3600 * SECOND, Verdict::Success, 0);
    assert_eq!(breaker.state(3600 * SECOND), CircuitState::Closed);
    // A look at the state is enough.
    let (breaker, _) = probing(2);
    assert_eq!(breaker.state(7 * SECOND - 1), CircuitState::HalfOpen);
    assert_eq!(breaker.state(8 * SECOND), CircuitState::Open);
    assert_eq!(breaker.state(9 * SECOND), CircuitState::HalfOpen);
    assert_eq!(breaker.transition_count(CircuitState::HalfOpen, CircuitState::Open), 1);
}

#[test]
fn an_answer_that_comes_too_late_is_a_failure_at_the_end_of_its_time() {
    for verdict in [Verdict::Success, Verdict::Failure, Verdict::Neither] {
        let (breaker, probe) = probing(2);
        breaker.record(probe, 8 * SECOND, verdict, 6 * SECOND);
        assert_eq!(breaker.admit(8 * SECOND), refused(SECOND), "{verdict:?}");
        let (breaker, probe) = probing(2);
        breaker.record(probe, 7 * SECOND, verdict, 5 * SECOND);
        let state = if verdict == Verdict::Success { CircuitState::Closed } else { CircuitState::HalfOpen };
        let state = if verdict == Verdict::Failure { CircuitState::Open } else { state };
        assert_eq!(
            Word::unpack(breaker.word.load(Ordering::Relaxed)).phase,
            match state {
                CircuitState::Closed => Phase::Closed,
                CircuitState::Open => Phase::Open,
                _ => Phase::HalfOpen,
            },
            "{verdict:?} with the last moment"
        );
    }
    // Where a timeout says nothing of the dependency, a probe that was cut gives its place back.
    let breaker = breaker(CircuitBreakerSpec { timeouts_count: false, ..SPEC });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    let probe = admitted(&breaker, 2 * SECOND);
    breaker.record(probe, 7 * SECOND + 1, Verdict::Neither, 5 * SECOND + 1);
    assert_eq!(breaker.state(8 * SECOND), CircuitState::HalfOpen);
    admitted(&breaker, 8 * SECOND);
}

#[test]
fn the_first_of_several_probes_whose_time_is_over_decides() {
    let breaker = breaker(CircuitBreakerSpec { probes: 3, ..SPEC });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    let stuck = admitted(&breaker, 2 * SECOND);
    for second in [3, 6] {
        let quick = admitted(&breaker, second * SECOND);
        breaker.record(quick, second * SECOND, Verdict::Success, 0);
    }
    assert_eq!(breaker.admit(7 * SECOND - 5), refused(5), "what is left of the first");
    assert_eq!(breaker.admit(7 * SECOND), refused(2 * SECOND));
    breaker.record(stuck, 7 * SECOND, Verdict::Success, 5 * SECOND);
    assert_eq!(breaker.state(8 * SECOND), CircuitState::Open);
    // Without one in flight nothing is late.
    let breaker = self::breaker(CircuitBreakerSpec { probes: 3, ..SPEC });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    breaker.record(admitted(&breaker, 2 * SECOND), 2 * SECOND, Verdict::Success, 0);
    assert_eq!(breaker.state(3600 * SECOND), CircuitState::HalfOpen);
}

#[test]
fn a_closed_circuit_has_nobody_waiting() {
    let breaker = breaker(SPEC);
    assert!(breaker.waits(admitted(&breaker, 0), 0).is_none());
}

#[test]
fn a_slow_success_of_a_probe_opens_again() {
    let slow = CircuitBreakerSpec { slow_call: Some(Duration::from_secs(1)), ..SPEC };
    for (took, state) in [(SECOND - 1, CircuitState::Closed), (SECOND, CircuitState::Open)] {
        let breaker = breaker(slow);
        breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
        breaker.record(admitted(&breaker, 2 * SECOND), 2 * SECOND, Verdict::Success, took);
        assert_eq!(breaker.state(2 * SECOND), state, "{took}");
    }
}

#[test]
fn a_probe_is_late_from_the_moment_on_at_which_it_is_slow() {
    let breaker = breaker(CircuitBreakerSpec { slow_call: Some(Duration::from_secs(1)), ..SPEC });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    let slow = admitted(&breaker, 2 * SECOND);
    assert_eq!(breaker.admit(3 * SECOND - 5), refused(5));
    assert_eq!(breaker.state(3 * SECOND - 1), CircuitState::HalfOpen);
    assert_eq!(breaker.state(3 * SECOND), CircuitState::Open);
    assert_eq!(breaker.admit(3 * SECOND), refused(2 * SECOND));
    breaker.record(slow, 4 * SECOND, Verdict::Success, 2 * SECOND);
    // One that waits has the whole time of a probe to begin.
    let probe = admitted(&breaker, 5 * SECOND);
    let waiting = breaker.waits(probe, 5 * SECOND).expect("a probe is known");
    assert_eq!(breaker.admit(9 * SECOND + 5), refused(SECOND - 5));
    assert!(waiting.begins(9 * SECOND + 5));
    assert_eq!(breaker.state(10 * SECOND + 4), CircuitState::HalfOpen);
    assert_eq!(breaker.state(10 * SECOND + 5), CircuitState::Open);
}

#[test]
fn other_numbers_are_in_force_at_once_and_the_state_stays() {
    let (breaker, probe) = probing(2);
    let other = CircuitBreakerSpec {
        consecutive: Some(3),
        slow_call: Some(Duration::from_secs(5)),
        open_for: DurationRange::secs(7, 7),
        probes: 2,
        ..SPEC
    };
    breaker.tune(&other, Some(Duration::from_secs(4)));
    assert_eq!(breaker.state(2 * SECOND), CircuitState::HalfOpen);
    let second = admitted(&breaker, 3 * SECOND);
    assert_eq!(breaker.admit(6 * SECOND - 5), refused(5), "the attempt's timeout bounds a probe");
    for probe in [probe, second] {
        breaker.record(probe, 4 * SECOND, Verdict::Success, 5 * SECOND - 1);
    }
    for failure in 1..=3 {
        assert_eq!(breaker.state(4 * SECOND), CircuitState::Closed, "before failure {failure}");
        breaker.record(admitted(&breaker, 4 * SECOND), 4 * SECOND, Verdict::Failure, SECOND);
    }
    assert_eq!(breaker.admit(4 * SECOND), refused(7 * SECOND));
    breaker.tune(&SPEC, None);
    assert_eq!(breaker.rules.probe_timeout.get(), 10 * SECOND, "what bounds a probe without a timeout");
}

#[test]
fn enough_probes_have_answered_when_fewer_are_wanted_than_before() {
    let breaker = breaker(CircuitBreakerSpec { probes: 3, ..SPEC });
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    for _ in 0..2 {
        breaker.record(admitted(&breaker, 2 * SECOND), 2 * SECOND, Verdict::Success, 0);
    }
    breaker.tune(&CircuitBreakerSpec { probes: 2, ..SPEC }, None);
    assert_eq!(breaker.state(2 * SECOND), CircuitState::HalfOpen, "no call has come since");
    admitted(&breaker, 2 * SECOND);
    assert_eq!(breaker.state(2 * SECOND), CircuitState::Closed);
    assert_eq!(breaker.transition_count(CircuitState::HalfOpen, CircuitState::Closed), 1);
}

#[test]
fn a_success_ends_a_row_of_failures() {
    let breaker = breaker(CircuitBreakerSpec { consecutive: Some(2), ..SPEC });
    for verdict in [Verdict::Failure, Verdict::Success, Verdict::Failure] {
        breaker.record(admitted(&breaker, 0), 0, verdict, 0);
        assert_eq!(breaker.state(0), CircuitState::Closed);
    }
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    assert_eq!(breaker.state(0), CircuitState::Open);
}

#[test]
fn each_change_of_state_is_counted_once_and_a_half_open_circuit_tries() {
    let breaker = breaker(CircuitBreakerSpec { probes: 2, ..SPEC });
    let half_opened = || breaker.transition_count(CircuitState::Open, CircuitState::HalfOpen);
    assert!(!breaker.is_trying(0), "it is closed");
    breaker.record(admitted(&breaker, 0), 0, Verdict::Failure, 0);
    assert!(!breaker.is_trying(SECOND), "it is open");
    for probe in 1..=2 {
        admitted(&breaker, 2 * SECOND);
        assert_eq!((half_opened(), breaker.is_trying(2 * SECOND)), (1, true), "probe {probe}");
    }
}

#[test]
fn a_share_trips_from_the_least_calls_on() {
    let spec = CircuitBreakerSpec {
        window: Spec::Calls(100),
        min_calls: 10,
        failure_rate: Ratio::percent(50),
        slow_call: Some(Duration::from_secs(1)),
        slow_rate: Ratio::percent(80),
        consecutive: None,
        ..CircuitBreakerSpec::DEFAULT
    };
    let rules = Rules::new("judge", &spec, None);
    for (calls, failed, slow, trips) in [
        (10, 5, 0, true),
        (10, 4, 7, false),
        (10, 0, 8, true),
        (9, 9, 9, false),
        (11, 5, 8, false),
        (11, 5, 9, true),
        (10, 5, 8, true),
    ] {
        assert_eq!(rules.trips(Counts { calls, failed, slow }), trips, "{failed} and {slow} of {calls}");
    }
    assert!(!rules.trips_in_a_row(0) && !rules.trips_in_a_row(u32::MAX));
    // What was slow by a rule that is gone says nothing.
    rules.tune(&CircuitBreakerSpec { slow_call: None, consecutive: Some(2), ..spec }, None);
    assert!(!rules.trips(Counts { calls: 10, failed: 0, slow: 10 }));
    assert!(!rules.trips_in_a_row(1) && rules.trips_in_a_row(2) && rules.trips_in_a_row(3));
}

#[test]
fn an_open_period_doubles_and_is_spread_by_a_fifth_within_its_ends() {
    let rules = |from, to| {
        let open_for = DurationRange::new(Duration::from_nanos(from), Duration::from_nanos(to));
        Rules::new("periods", &CircuitBreakerSpec { open_for, ..SPEC }, None)
    };
    for (from, to, opens, random, period) in [
        (1000, 100_000, 0, 0.0, 1000),
        (1000, 100_000, 0, 0.5, 1100),
        (1000, 100_000, 3, 0.25, 7200),
        (1000, 100_000, 6, 0.5, 64_000),
        (1000, 100_000, 7, 0.0, 80_000),
        (1000, 100_000, 7, 0.75, 95_000),
        (1000, 100_000, 63, 1.0, 100_000),
        (1000, 1100, 0, 1.0, 1100),
        (1000, 1100, 5, 0.0, 1000),
        (1000, 1000, 0, 0.0, 1000),
        (1000, 1000, 63, 0.9, 1000),
    ] {
        let found = rules(from, to).open_period(opens, random);
        assert!(found.abs_diff(period) <= 1, "{from}..{to} after {opens} at {random}: {found}, not {period}");
    }
    // Bits that are shifted out are no period.
    assert_eq!(rules((1 << 62) + 1, u64::MAX).open_period(2, 1.0), u64::MAX);
    assert_eq!(rules(7, 9).first_period(), 7);
}

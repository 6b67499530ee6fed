//! The circuit breaker's word, streak and window.

use std::time::Duration;

use hardening_spec::{CircuitBreakerSpec, DurationRange, Ratio, Window};
use loom::sync::Arc;

use crate::policy::circuit_breaker::{Admission, CircuitBreaker, CircuitState, Permit, Verdict};
use crate::{Action, explore, together};

const OPEN_FOR: u64 = 1_000_000_000;

fn spec() -> CircuitBreakerSpec {
    CircuitBreakerSpec {
        window: Window::Calls(2),
        min_calls: 2,
        failure_rate: Ratio::percent(100),
        open_for: DurationRange { from: Duration::from_secs(1), to: Duration::from_secs(1) },
        probes: 1,
        ..CircuitBreakerSpec::DEFAULT
    }
}

fn breaker(spec: CircuitBreakerSpec) -> Arc<CircuitBreaker> {
    Arc::new(CircuitBreaker::new("model", spec, None, 0))
}

fn admitted(admission: Admission) -> Option<Permit> {
    match admission {
        Admission::Admitted(permit) => Some(permit),
        Admission::Refused { .. } => None,
    }
}

fn opened(breaker: &CircuitBreaker) -> u64 {
    CircuitState::ALL.iter().map(|from| breaker.transition_count(*from, CircuitState::Open)).sum()
}

/// Opens a circuit by two failures.
fn open(breaker: &CircuitBreaker) {
    for _ in 0..2 {
        let permit = admitted(breaker.admit(0)).expect("a closed circuit admits");
        breaker.record(permit, 0, Verdict::Failure, 0);
    }
    assert_eq!(breaker.state(0), CircuitState::Open);
}

/// Two threads ask a circuit whose open period is over: one gets the probe, and the other nothing.
pub fn i_04_one_probe_is_given_once() {
    explore(2, || {
        let breaker = breaker(spec());
        open(&breaker);
        let ask = || -> Action<bool> {
            let breaker = Arc::clone(&breaker);
            Box::new(move || admitted(breaker.admit(OPEN_FOR)).is_some())
        };
        let probes = together([ask(), ask(), ask()]);
        assert_eq!(probes.iter().filter(|admitted| **admitted).count(), 1);
    });
}

/// A probe's success and a second probe that asks meanwhile: with two places both pass, and both must succeed.
pub fn i_04_probes_come_and_go_within_their_places() {
    explore(2, || {
        let breaker = breaker(CircuitBreakerSpec { probes: 2, ..spec() });
        open(&breaker);
        let probe = |verdict: Verdict| -> Action<bool> {
            let breaker = Arc::clone(&breaker);
            Box::new(move || {
                let permit = admitted(breaker.admit(OPEN_FOR));
                permit.is_some_and(|permit| {
                    breaker.record(permit, OPEN_FOR, verdict, 0);
                    true
                })
            })
        };
        let ran = together([probe(Verdict::Success), probe(Verdict::Success)]);
        assert_eq!(ran, [true, true]);
        assert_eq!(breaker.state(OPEN_FOR), CircuitState::Closed);
        assert_eq!(breaker.transition_count(CircuitState::HalfOpen, CircuitState::Closed), 1);
    });
}

/// A probe that is dropped gives its place back, whatever the other one does meanwhile.
pub fn i_01_a_dropped_probe_frees_its_place() {
    explore(2, || {
        let breaker = breaker(spec());
        open(&breaker);
        let drops = || -> Action<()> {
            let breaker = Arc::clone(&breaker);
            Box::new(move || {
                if let Some(permit) = admitted(breaker.admit(OPEN_FOR)) {
                    breaker.record(permit, OPEN_FOR, Verdict::Neither, 0);
                }
            })
        };
        together([drops(), drops()]);
        assert!(admitted(breaker.admit(OPEN_FOR)).is_some(), "a place was lost");
    });
}

/// Two failures at once: the circuit opens once, and nothing that asks afterwards passes.
fn two_failures_open_once(spec: CircuitBreakerSpec) {
    explore(2, move || {
        let breaker = breaker(spec);
        let fail = || -> Action<()> {
            let breaker = Arc::clone(&breaker);
            Box::new(move || {
                if let Some(permit) = admitted(breaker.admit(0)) {
                    breaker.record(permit, 0, Verdict::Failure, 0);
                }
            })
        };
        together([fail(), fail()]);
        assert_eq!(opened(&breaker), 1);
        assert_eq!(breaker.admit(0), Admission::Refused { retry_after: OPEN_FOR });
    });
}

/// By what the window holds.
pub fn i_06_an_opening_is_one_event() {
    two_failures_open_once(spec());
}

/// By failures in a row, of which the window knows nothing.
pub fn i_06_a_streak_opens_once() {
    two_failures_open_once(CircuitBreakerSpec { min_calls: 100, consecutive: Some(2), ..spec() });
}

/// A result that was admitted before an opening comes while others probe: it changes nothing.
pub fn i_05_a_late_result_changes_nothing() {
    explore(2, || {
        let breaker = breaker(spec());
        let late = admitted(breaker.admit(0)).expect("a closed circuit admits");
        open(&breaker);
        let (one, other) = (Arc::clone(&breaker), Arc::clone(&breaker));
        together::<(), _>([
            Box::new(move || one.record(late, OPEN_FOR, Verdict::Failure, 0)),
            Box::new(move || {
                let probe = admitted(other.admit(OPEN_FOR)).expect("the open period is over");
                other.record(probe, OPEN_FOR, Verdict::Success, 0);
            }),
        ]);
        assert_eq!(breaker.state(OPEN_FOR), CircuitState::Closed);
        assert_eq!(opened(&breaker), 1);
        assert_eq!(breaker.window_counts(OPEN_FOR), (0, 0, 0));
    });
}

/// A probe fails while another thread asks: the circuit is open again, for a whole period.
pub fn i_07_a_failed_probe_opens_for_a_whole_period() {
    explore(2, || {
        let breaker = breaker(spec());
        open(&breaker);
        let probe = admitted(breaker.admit(OPEN_FOR)).expect("the open period is over");
        let (one, other) = (Arc::clone(&breaker), Arc::clone(&breaker));
        let passed = together::<bool, _>([
            Box::new(move || {
                one.record(probe, OPEN_FOR, Verdict::Failure, 0);
                false
            }),
            Box::new(move || admitted(other.admit(OPEN_FOR)).is_some()),
        ]);
        assert_eq!(passed, [false, false]);
        assert_eq!(breaker.admit(OPEN_FOR), Admission::Refused { retry_after: OPEN_FOR });
        assert_eq!(opened(&breaker), 2);
    });
}

/// Three outcomes at once in a window of two calls: what it holds in the end is two calls, and no more than were failed.
pub fn i_09_a_count_window_holds_the_last_calls() {
    explore(2, || {
        let breaker =
            breaker(CircuitBreakerSpec { failure_rate: Ratio::percent(100), min_calls: 2, ..spec() });
        let record = |verdict: Verdict| -> Action<()> {
            let breaker = Arc::clone(&breaker);
            Box::new(move || {
                if let Some(permit) = admitted(breaker.admit(0)) {
                    breaker.record(permit, 0, verdict, 0);
                }
            })
        };
        together([record(Verdict::Success), record(Verdict::Failure), record(Verdict::Success)]);
        let (calls, failed, slow) = breaker.window_counts(0);
        assert_eq!((calls, slow), (2, 0));
        assert!(failed <= 1, "{failed}");
        assert_eq!(breaker.state(0), CircuitState::Closed, "one of two failed");
    });
}

/// The time of the only probe is over: its own late answer, a look at the state and a call that asks open the circuit once, for a
/// period that begins when the time was over.
pub fn a_lapsed_probe_opens_once() {
    explore(2, || {
        let breaker = breaker(CircuitBreakerSpec { probe_timeout: Some(Duration::from_secs(1)), ..spec() });
        open(&breaker);
        let probe = admitted(breaker.admit(OPEN_FOR)).expect("the open period is over");
        let late = 2 * OPEN_FOR + OPEN_FOR / 2;
        let (one, two, three) = (Arc::clone(&breaker), Arc::clone(&breaker), Arc::clone(&breaker));
        let passed = together::<bool, _>([
            Box::new(move || {
                one.record(probe, late, Verdict::Success, late - OPEN_FOR);
                false
            }),
            Box::new(move || {
                two.state(late);
                false
            }),
            Box::new(move || admitted(three.admit(late)).is_some()),
        ]);
        assert_eq!(passed, [false; 3]);
        assert_eq!(opened(&breaker), 2);
        assert_eq!(breaker.admit(late), Admission::Refused { retry_after: OPEN_FOR / 2 });
    });
}

/// Calls in flight that are slow by now, one of which ends meanwhile: the circuit opens once, and each of them counts once.
pub fn slow_calls_in_flight_open_once() {
    explore(2, || {
        let breaker = breaker(CircuitBreakerSpec { slow_call: Some(Duration::from_secs(1)), ..spec() });
        let hung = [(); 2].map(|()| admitted(breaker.admit(0)).expect("a closed circuit admits"));
        let (one, other) = (Arc::clone(&breaker), Arc::clone(&breaker));
        let ask = |breaker: Arc<CircuitBreaker>| -> Action<bool> {
            Box::new(move || admitted(breaker.admit(OPEN_FOR)).is_some())
        };
        let passed = together::<bool, _>([
            Box::new(move || {
                one.record(hung[0], OPEN_FOR, Verdict::Success, OPEN_FOR);
                false
            }),
            ask(other),
        ]);
        // Between the end of one and its place in the window neither knows of it: the call may pass, and the circuit opens with the
        // next look.
        let closed = breaker.state(OPEN_FOR) == CircuitState::Closed;
        assert!(!closed, "two slow calls of two");
        assert_eq!(opened(&breaker), 1);
        assert_eq!(breaker.window_counts(OPEN_FOR), (0, 0, 0), "{passed:?} before");
        breaker.record(hung[1], OPEN_FOR, Verdict::Success, OPEN_FOR);
        assert_eq!(breaker.window_counts(OPEN_FOR), (0, 0, 0));
    });
}

/// A circuit closes while others ask: of those that come after it, one in ten passes, the first.
pub fn a_ramp_begins_with_its_first_call() {
    explore(2, || {
        let breaker = breaker(CircuitBreakerSpec { ramp: Some(Duration::from_secs(10)), ..spec() });
        open(&breaker);
        let probe = admitted(breaker.admit(OPEN_FOR)).expect("the open period is over");
        let ask = || -> Action<bool> {
            let breaker = Arc::clone(&breaker);
            Box::new(move || admitted(breaker.admit(OPEN_FOR)).is_some())
        };
        let closing = Arc::clone(&breaker);
        let passed = together::<bool, _>([
            Box::new(move || {
                closing.record(probe, OPEN_FOR, Verdict::Success, 0);
                false
            }),
            ask(),
            ask(),
        ]);
        let passed = passed.into_iter().filter(|passed| *passed).count();
        let after = usize::from(admitted(breaker.admit(OPEN_FOR)).is_some());
        assert!(passed + after <= 1 || (passed, after) == (0, 1), "{passed} and {after}");
        assert_eq!(breaker.state(OPEN_FOR), CircuitState::Closed);
    });
}

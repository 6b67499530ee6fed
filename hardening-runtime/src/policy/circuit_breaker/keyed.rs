//! A circuit for each key, under one set of numbers.

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use hardening_spec::{CircuitBreakerSpec, Window};

use super::rules::Rules;
use super::word::{Mode, Phase, Word};
use super::{Admission, CircuitBreaker, CircuitState};
use crate::clock::Nanos;
use crate::policy::account;
use crate::policy::keyed::{Reusable, States};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;

/// The circuits of one call's keys.
pub(crate) struct KeyedBreakers {
    circuits: States<CircuitBreaker>,
    rules: Arc<Rules>,
    window: Arc<Mutex<Window>>,
}

impl KeyedBreakers {
    pub(crate) fn new(name: &'static str, spec: CircuitBreakerSpec, timeout: Option<Duration>) -> Self {
        let rules = Arc::new(Rules::new(name, &spec, timeout));
        let window = Arc::new(Mutex::new(spec.window));
        let made = (Arc::clone(&rules), Arc::clone(&window));
        let make = move |now| {
            let (rules, window) = &made;
            let window = *window.lock().unwrap_or_else(PoisonError::into_inner);
            let circuit = CircuitBreaker::under(Arc::clone(rules), window, now);
            circuit.update(|word| Some(Word { mode: circuit.rules.mode(), ..word }));
            circuit
        };
        Self { circuits: States::new(name, spec.max_keys, make), rules, window }
    }

    /// Asks the circuit of a key for leave.
    pub(crate) fn admit(&self, key: u64, now: Nanos) -> (&'static CircuitBreaker, Admission) {
        self.circuits.with(key, account::current, now, |circuit| (circuit, circuit.admit(now)))
    }

    /// The circuit of a key; one that was never asked for begins here.
    pub(crate) fn circuit(&self, key: u64, now: Nanos) -> &'static CircuitBreaker {
        self.circuits.with(key, account::current, now, |circuit| circuit)
    }

    /// Puts other numbers in force.
    pub(crate) fn tune(&self, spec: &CircuitBreakerSpec, timeout: Option<Duration>) {
        self.rules.tune(spec, timeout);
        self.circuits.bound(spec.max_keys);
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = spec.window;
        self.circuits.every(|circuit| circuit.tune_window(spec.window));
    }

    /// Puts every circuit into a mode, those of later keys as well.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.circuits.every(|circuit| circuit.give_mode(mode));
        self.rules.mode.set(mode as u64);
    }

    /// Closes the circuit of every key.
    #[cfg(any(feature = "service", test))]
    pub(crate) fn close(&self) {
        self.circuits.every(CircuitBreaker::close);
    }

    /// Has the circuit of every key begin afresh, in the mode that settings give.
    #[cfg(any(feature = "service", test))]
    pub(crate) fn renew(&self, now: Nanos) {
        self.circuits.every(|circuit| circuit.renew(now));
    }

    /// Circuits in each state.
    pub(crate) fn states(&self, now: Nanos) -> [u64; CircuitState::ALL.len()] {
        let mut states = [0; CircuitState::ALL.len()];
        self.circuits.each(|circuit| states[circuit.state(now) as usize] += 1);
        states
    }

    /// How often a circuit went from one state to another.
    pub(crate) fn transitions(&self, from: CircuitState, to: CircuitState) -> u64 {
        self.rules.transitions.count(from, to)
    }
}

#[cfg(feature = "testing")]
impl KeyedBreakers {
    pub(crate) fn reset(&self, now: Nanos) {
        self.circuits.every(|circuit| circuit.reset(now));
    }
}

#[cfg(any(feature = "service", test))]
impl CircuitBreaker {
    /// Closes it, forgets its window, and gives it the mode that settings give.
    pub(crate) fn renew(&self, now: Nanos) {
        self.close();
        self.give_mode(self.rules.mode());
        self.reuse(now);
    }
}

#[cfg(feature = "testing")]
impl CircuitBreaker {
    /// Closed, with nothing in its window.
    pub(crate) fn reset(&self, now: Nanos) {
        self.reuse(now);
        self.window.restart(now);
    }
}

impl Reusable for CircuitBreaker {
    fn is_idle(&self, now: Nanos) -> bool {
        let word = Word::unpack(self.word.load(Ordering::Acquire));
        // One that an operator has forced is that of its key.
        word.phase == Phase::Closed
            && word.mode == self.rules.mode()
            && !self.ramps(word, now)
            && self.flights.is_empty(word.generation)
            && self.window_counts(now).0 == 0
    }

    fn reuse(&self, _: Nanos) {
        // A result for the key before is one of an earlier generation.
        if let Some(before) = self.update(|word| Some(Word { mode: self.rules.mode(), ..word.closed() })) {
            self.streak.store(0, Ordering::Release);
            self.window.clear(before.closed().generation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::circuit_breaker::Verdict;

    const SECOND: Nanos = 1_000_000_000;

    fn spec() -> CircuitBreakerSpec {
        CircuitBreakerSpec { max_keys: 2, ..CircuitBreakerSpec::DEFAULT.with_consecutive(1) }
    }

    fn fail(keyed: &KeyedBreakers, key: u64, now: Nanos) {
        let (circuit, admission) = keyed.admit(key, now);
        let Admission::Admitted(permit) = admission else { panic!("{key} is refused") };
        circuit.record(permit, now, Verdict::Failure, 0);
    }

    #[test]
    fn each_key_has_a_circuit_under_the_same_numbers() {
        let keyed = KeyedBreakers::new("keyed", spec(), None);
        fail(&keyed, 1, SECOND);
        assert!(matches!(keyed.admit(1, SECOND).1, Admission::Refused { .. }));
        assert!(matches!(keyed.admit(2, SECOND).1, Admission::Admitted(_)));
        assert!(std::ptr::eq(keyed.circuit(1, SECOND), keyed.admit(1, SECOND).0));
        assert_eq!(keyed.states(SECOND), [1, 1, 0, 0, 0, 0]);
        assert_eq!(keyed.transitions(CircuitState::Closed, CircuitState::Open), 1);
        keyed.tune(
            &CircuitBreakerSpec { max_keys: 3, window: Window::Calls(5), consecutive: None, ..spec() },
            None,
        );
        fail(&keyed, 2, SECOND);
        fail(&keyed, 3, SECOND);
        assert_eq!(keyed.states(SECOND), [2, 1, 0, 0, 0, 0]);
        let held = |key| keyed.circuit(key, SECOND).window_counts(1000 * SECOND).0;
        assert_eq!((held(2), held(3)), (1, 1), "of calls, however long ago");
    }

    #[test]
    fn a_mode_is_that_of_every_key_and_of_later_ones() {
        let keyed = KeyedBreakers::new("keyed", spec(), None);
        keyed.circuit(1, SECOND);
        keyed.set_mode(Mode::ForcedOpen);
        keyed.circuit(2, SECOND);
        assert_eq!(keyed.states(SECOND), [0, 0, 0, 2, 0, 0]);
        keyed.set_mode(Mode::Automatic);
        assert_eq!(keyed.states(SECOND), [2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn every_key_s_circuit_is_closed_or_begins_afresh() {
        let keyed = KeyedBreakers::new("keyed", CircuitBreakerSpec { max_keys: 9, ..spec() }, None);
        for key in [1, 2] {
            fail(&keyed, key, SECOND);
        }
        assert_eq!(keyed.states(SECOND), [0, 2, 0, 0, 0, 0]);
        keyed.close();
        assert_eq!(keyed.states(SECOND), [2, 0, 0, 0, 0, 0]);
        assert_eq!(keyed.transitions(CircuitState::Open, CircuitState::Closed), 2);
        // Closed twice is closed once.
        keyed.close();
        assert_eq!(keyed.transitions(CircuitState::Open, CircuitState::Closed), 2);
        keyed.tune(&CircuitBreakerSpec { consecutive: None, ..spec() }, None);
        fail(&keyed, 1, SECOND);
        fail(&keyed, 2, SECOND);
        keyed.tune(&spec(), None);
        keyed.circuit(1, SECOND).update(|word| Some(Word { mode: Mode::ForcedOpen, ..word }));
        let counted = |key| keyed.circuit(key, SECOND).window_counts(SECOND).0;
        assert_eq!((counted(1), counted(2)), (1, 1));
        keyed.renew(SECOND);
        assert_eq!((keyed.states(SECOND), counted(1), counted(2)), ([2, 0, 0, 0, 0, 0], 0, 0));
        assert_eq!(keyed.transitions(CircuitState::ForcedOpen, CircuitState::Closed), 1);
        fail(&keyed, 1, SECOND);
        keyed.renew(SECOND);
        assert_eq!(keyed.transitions(CircuitState::Open, CircuitState::Closed), 3);
    }

    #[test]
    fn a_circuit_is_handed_on_when_it_says_nothing() {
        let keyed = KeyedBreakers::new("keyed", CircuitBreakerSpec { max_keys: 9, ..spec() }, None);
        let idle = |key, now| keyed.circuit(key, now).is_idle(now);
        assert!(idle(1, SECOND));
        fail(&keyed, 1, SECOND);
        assert!(!idle(1, 100 * SECOND), "open");
        keyed.tune(&CircuitBreakerSpec { consecutive: Some(2), ..spec() }, None);
        fail(&keyed, 2, SECOND);
        assert!(!idle(2, SECOND) && idle(2, 100 * SECOND), "its window is empty again");
        let forced = keyed.circuit(3, SECOND);
        forced.update(|word| Some(Word { mode: Mode::Disabled, ..word }));
        assert!(!forced.is_idle(SECOND), "an operator wants it so");
        // Who takes it over begins with nothing: no streak, no window, no late result.
        let circuit = keyed.circuit(2, SECOND);
        let Admission::Admitted(late) = circuit.admit(SECOND) else { panic!("closed and refused") };
        circuit.reuse(SECOND);
        circuit.record(late, SECOND, Verdict::Failure, 0);
        assert_eq!((circuit.window_counts(SECOND), circuit.is_idle(SECOND)), ((0, 0, 0), true));
        fail(&keyed, 2, SECOND);
        assert_eq!(circuit.state(SECOND), CircuitState::Closed, "the first failure of two");
    }
}

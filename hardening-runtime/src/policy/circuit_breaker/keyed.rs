//! A circuit for each key, under one set of numbers.

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use hardening_spec::{CircuitBreakerSpec, Window};

use super::rules::Rules;
use super::word::{Mode, Phase, Word};
use super::{Admission, CircuitBreaker, CircuitState};
use crate::clock::Nanos;
use crate::policy::keyed::{Keyed, Reusable};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;

/// The circuits of one call's keys.
pub(crate) struct KeyedBreakers {
    circuits: Keyed<CircuitBreaker>,
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
        Self { circuits: Keyed::new(name, spec.max_keys, make), rules, window }
    }

    /// Asks the circuit of a key for leave.
    pub(crate) fn admit(&self, key: u64, now: Nanos) -> (&'static CircuitBreaker, Admission) {
        self.circuits.with(key, now, |circuit| (circuit, circuit.admit(now)))
    }

    /// The circuit of a key; one that was never asked for begins here.
    pub(crate) fn circuit(&self, key: u64, now: Nanos) -> &'static CircuitBreaker {
        self.circuits.with(key, now, |circuit| circuit)
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
        word.phase == Phase::Closed && word.mode == self.rules.mode() && self.window_counts(now).0 == 0
    }

    fn reuse(&self, _: Nanos) {
        // A result for the key before is one of an earlier generation.
        if let Some(before) = self.update(|word| Some(Word { mode: self.rules.mode(), ..word.closed() })) {
            self.streak.store(0, Ordering::Release);
            self.window.clear(before.closed().generation);
        }
    }
}

//! The breaker as a handful of plain rules, for comparison.

use std::collections::VecDeque;

use hardening_cores::policy::circuit_breaker::{CircuitState, Verdict};

use super::support::Nanos;

/// The numbers that the model knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) window: usize,
    pub(crate) min_calls: usize,
    /// Failures of the whole, in percent.
    pub(crate) failure_rate: usize,
    pub(crate) consecutive: Option<u32>,
    pub(crate) open_for: Nanos,
    pub(crate) probes: usize,
    pub(crate) probe_timeout: Nanos,
}

/// Where the model stands.
#[derive(Clone, Debug)]
enum At {
    Closed {
        last: VecDeque<bool>,
        streak: u32,
    },
    Open {
        until: Nanos,
    },
    /// Each probe in flight with the moment at which it began.
    HalfOpen {
        in_flight: Vec<Nanos>,
        succeeded: usize,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    rules: Rules,
    at: At,
    /// Grows with each change of state.
    pub(crate) generation: u32,
    /// Every change of state so far.
    pub(crate) changes: Vec<(CircuitState, CircuitState)>,
}

impl Model {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, at: Self::closed(), generation: 0, changes: Vec::new() }
    }

    fn closed() -> At {
        At::Closed { last: VecDeque::new(), streak: 0 }
    }

    fn to(&mut self, at: At) {
        let name = |at: &At| match at {
            At::Closed { .. } => CircuitState::Closed,
            At::Open { .. } => CircuitState::Open,
            At::HalfOpen { .. } => CircuitState::HalfOpen,
        };
        self.changes.push((name(&self.at), name(&at)));
        self.at = at;
        self.generation += 1;
    }

    fn left(in_flight: &mut Vec<Nanos>, began: Nanos) {
        let at = in_flight.iter().position(|other| *other == began).expect("it is in flight");
        in_flight.swap_remove(at);
    }

    fn open(&mut self, now: Nanos) {
        self.to(At::Open { until: now + self.rules.open_for });
    }

    /// A probe that has not answered failed when its time was over.
    pub(crate) fn catch_up(&mut self, now: Nanos) {
        let At::HalfOpen { in_flight, .. } = &self.at else { return };
        let over = in_flight.iter().min().map(|oldest| oldest + self.rules.probe_timeout);
        if let Some(over) = over.filter(|over| now >= *over) {
            self.open(over);
        }
    }

    /// The state as an operator sees it.
    pub(crate) fn state(&self, now: Nanos) -> CircuitState {
        match self.at {
            At::Closed { .. } => CircuitState::Closed,
            At::Open { until } if now < until => CircuitState::Open,
            At::Open { .. } | At::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// The generation of an admitted attempt, or when the next probe is due.
    pub(crate) fn admit(&mut self, now: Nanos) -> Result<u32, Nanos> {
        self.catch_up(now);
        match &mut self.at {
            At::Closed { .. } => {}
            At::Open { until } if now < *until => return Err(*until - now),
            At::Open { .. } => self.to(At::HalfOpen { in_flight: vec![now], succeeded: 0 }),
            At::HalfOpen { in_flight, succeeded } => {
                if in_flight.len() + *succeeded < self.rules.probes {
                    in_flight.push(now);
                } else {
                    // Every timeout of the model is below a second.
                    let oldest = in_flight.iter().min().expect("some succeeded, or it would be closed");
                    return Err(*oldest + self.rules.probe_timeout - now);
                }
            }
        }
        Ok(self.generation)
    }

    /// An attempt of `generation` has ended.
    pub(crate) fn record(&mut self, generation: u32, began: Nanos, now: Nanos, verdict: Verdict) {
        if generation != self.generation {
            return;
        }
        let over = began + self.rules.probe_timeout;
        if matches!(self.at, At::HalfOpen { .. }) && now > over {
            self.open(over);
            return;
        }
        let rules = self.rules;
        match (&mut self.at, verdict) {
            (At::Closed { last, streak }, Verdict::Success | Verdict::Failure) => {
                let failed = verdict == Verdict::Failure;
                *streak = if failed { *streak + 1 } else { 0 };
                last.push_back(failed);
                if last.len() > rules.window {
                    last.pop_front();
                }
                let failures = last.iter().filter(|failed| **failed).count();
                let judged =
                    last.len() >= rules.min_calls && failures * 100 >= last.len() * rules.failure_rate;
                if judged || rules.consecutive.is_some_and(|limit| *streak >= limit) {
                    self.open(now);
                }
            }
            // The model knows no slow calls.
            (At::HalfOpen { in_flight, .. }, Verdict::Neither | Verdict::Unfinished) => {
                Self::left(in_flight, began);
            }
            (At::HalfOpen { in_flight, succeeded }, Verdict::Success) => {
                Self::left(in_flight, began);
                *succeeded += 1;
                if *succeeded >= rules.probes {
                    self.to(Self::closed());
                }
            }
            (At::HalfOpen { .. }, Verdict::Failure) => self.open(now),
            (At::Closed { .. }, Verdict::Neither | Verdict::Unfinished) | (At::Open { .. }, _) => {}
        }
    }
}

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
    Closed { last: VecDeque<bool>, streak: u32 },
    Open { until: Nanos },
    HalfOpen { in_flight: usize, succeeded: usize, probed: Nanos },
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

    fn open(&mut self, now: Nanos) {
        self.to(At::Open { until: now + self.rules.open_for });
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
        match &mut self.at {
            At::Closed { .. } => {}
            At::Open { until } if now < *until => return Err(*until - now),
            At::Open { .. } => self.to(At::HalfOpen { in_flight: 1, succeeded: 0, probed: now }),
            At::HalfOpen { in_flight, succeeded, probed } => {
                if *in_flight + *succeeded < self.rules.probes {
                    *in_flight += 1;
                    *probed = now;
                } else if now >= *probed + self.rules.probe_timeout {
                    // The last probe never answered: it failed.
                    self.open(now);
                    return Err(self.rules.open_for);
                } else {
                    return Err(*probed + self.rules.probe_timeout - now);
                }
            }
        }
        Ok(self.generation)
    }

    /// An attempt of `generation` has ended.
    pub(crate) fn record(&mut self, generation: u32, now: Nanos, verdict: Verdict) {
        if generation != self.generation {
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
            (At::HalfOpen { in_flight, .. }, Verdict::Neither) => *in_flight -= 1,
            (At::HalfOpen { in_flight, succeeded, .. }, Verdict::Success) => {
                *in_flight -= 1;
                *succeeded += 1;
                if *succeeded >= rules.probes {
                    self.to(Self::closed());
                }
            }
            (At::HalfOpen { .. }, Verdict::Failure) => self.open(now),
            (At::Closed { .. }, Verdict::Neither) | (At::Open { .. }, _) => {}
        }
    }
}

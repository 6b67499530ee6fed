//! `#[retry]`: when to repeat, and after what delay.

mod backoff;
mod budget;

use hardening_spec::RetrySpec;

pub use backoff::Backoff;
pub use budget::Budget;

use crate::clock::{NEVER, Nanos, nanos};

/// A uniform number in 0..1 from the thread's generator, which tests seed.
pub(crate) fn random() -> f64 {
    fastrand::f64()
}

/// What one finished attempt means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The call is over with what the attempt gave.
    Stop(Stop),
    /// Another attempt after this delay.
    After(Nanos),
}

/// Why a call is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing to repeat: it succeeded, or must not be repeated.
    NotRetryable,
    /// Every attempt was used.
    Attempts,
    /// `max_duration`, or the deadline, leaves no time for another attempt.
    Time,
    /// The budget is used up.
    Budget,
}

/// Where a call stands when an attempt has ended.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Attempts made.
    pub attempts: u32,
    /// When the call began.
    pub started: Nanos,
    /// Now.
    pub now: Nanos,
    /// When everything must be over, [`NEVER`] for no such moment.
    pub deadline: Nanos,
    /// The delay before this attempt.
    pub last_delay: Nanos,
    /// The delay that the other side asked for.
    pub asked_for: Option<Nanos>,
}

/// The retry policy of one call site.
#[derive(Debug)]
pub struct Retry {
    attempts: u32,
    max_duration: Nanos,
    backoff: Backoff,
    budget: Option<Budget>,
}

impl Retry {
    /// The policy of `spec` with a full budget.
    pub fn new(spec: &RetrySpec) -> Self {
        Self {
            attempts: spec.attempts,
            max_duration: spec.max_duration.map_or(NEVER, nanos),
            backoff: Backoff::new(spec),
            budget: spec.budget.map(Budget::new),
        }
    }

    /// Pays one call into the budget.
    #[inline(always)]
    pub fn deposit(&self) {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
    }

    /// Whole retries that the budget would pay for now; `None` without a budget.
    pub fn budget_left(&self, now: Nanos) -> Option<u64> {
        self.budget.as_ref().map(|budget| budget.left(now))
    }

    /// Decides after a retryable failure; `random` is uniform in 0..1. Takes from the budget only when it
    /// answers [`Next::After`].
    pub fn next(&self, progress: Progress, random: f64) -> Next {
        if progress.attempts >= self.attempts {
            return Next::Stop(Stop::Attempts);
        }
        let delay = progress
            .asked_for
            .unwrap_or_else(|| self.backoff.delay(progress.attempts, progress.last_delay, random));
        let resume = progress.now.saturating_add(delay);
        if resume >= progress.deadline || resume >= progress.started.saturating_add(self.max_duration) {
            return Next::Stop(Stop::Time);
        }
        if self.budget.as_ref().is_some_and(|budget| !budget.withdraw(progress.now)) {
            return Next::Stop(Stop::Budget);
        }
        Next::After(delay)
    }
}

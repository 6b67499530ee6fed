//! `#[retry]`: when to repeat, and after what delay.

mod backoff;

use std::sync::{Arc, PoisonError, RwLock};

use hardening_spec::RetrySpec;

pub use backoff::Backoff;

use super::budget::Budget;
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
    /// The other side asks for a delay that is too long.
    AskedForTooMuch,
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
    budget: Arc<Budget>,
    /// Looked at after a failure alone.
    numbers: RwLock<Numbers>,
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    attempts: u32,
    max_duration: Nanos,
    backoff: Backoff,
    max_retry_after: Nanos,
}

impl Numbers {
    fn new(spec: &RetrySpec) -> Self {
        Self {
            attempts: spec.attempts,
            max_duration: spec.max_duration.map_or(NEVER, nanos),
            backoff: Backoff::new(spec),
            max_retry_after: nanos(spec.max_retry_after),
        }
    }
}

impl Retry {
    /// The policy of `spec` with a full budget of its own.
    pub fn new(spec: &RetrySpec, now: Nanos) -> Self {
        Self::sharing(spec, Arc::new(Budget::new(spec.budget, now)))
    }

    /// The policy of `spec` with a budget that others share.
    pub fn sharing(spec: &RetrySpec, budget: Arc<Budget>) -> Self {
        Self { budget, numbers: RwLock::new(Numbers::new(spec)) }
    }

    /// Puts other numbers in force, `None` for no repetition; the budget is tuned apart.
    pub fn tune(&self, spec: Option<&RetrySpec>) {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        match spec {
            Some(spec) => *numbers = Numbers::new(spec),
            None => numbers.attempts = 1,
        }
    }

    /// The most attempts of a call.
    pub(crate) fn attempts(&self) -> u32 {
        self.numbers.read().unwrap_or_else(PoisonError::into_inner).attempts
    }

    /// When a call that began then may begin no further attempt, by `max_duration`.
    pub(crate) fn until(&self, started: Nanos) -> Nanos {
        let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        started.saturating_add(numbers.max_duration)
    }

    /// The budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Pays one call into the budget.
    #[inline(always)]
    pub fn deposit(&self, now: Nanos) {
        self.budget.deposit(now);
    }

    /// Decides after a retryable failure; `random` is uniform in 0..1. The budget is looked at and nothing is taken: the attempt
    /// takes when it begins.
    pub fn next(&self, progress: Progress, random: f64) -> Next {
        let Numbers { attempts, max_duration, backoff, max_retry_after } =
            *self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        let Progress { now, started, asked_for, .. } = progress;
        if progress.attempts >= attempts {
            return Next::Stop(Stop::Attempts);
        }
        if asked_for.is_some_and(|asked_for| asked_for > max_retry_after) {
            return Next::Stop(Stop::AskedForTooMuch);
        }
        let over = progress.deadline.min(started.saturating_add(max_duration));
        let least =
            asked_for.unwrap_or_else(|| backoff.delay(progress.attempts, progress.last_delay, random));
        if now.saturating_add(least) >= over {
            return Next::Stop(Stop::Time);
        }
        if !self.budget.has(now) {
            return Next::Stop(Stop::Budget);
        }
        // What the other side asks for, it asks of many: they come a little later, never earlier, and in time.
        let spread = asked_for.map_or(0, |_| backoff.spread(progress.attempts, random));
        Next::After(least.saturating_add(spread).min(over.saturating_sub(now).saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn chance_is_uniform_between_nothing_and_one() {
        fastrand::seed(7);
        let numbers: Vec<f64> = (0..1000).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }

    #[test]
    fn a_call_may_go_on_as_long_as_it_may_last() {
        let bounded = RetrySpec { max_duration: Some(Duration::from_secs(3)), ..RetrySpec::DEFAULT };
        let retry = Retry::new(&bounded, 0);
        assert_eq!(retry.until(5), 3_000_000_005);
        assert_eq!(retry.until(Nanos::MAX), Nanos::MAX);
    }
}

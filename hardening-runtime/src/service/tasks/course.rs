//! What follows the end of one run of a task, as a pure function.

use std::time::Duration;

use hardening_spec::{DurationRange, Jitter, RetrySpec};

use crate::clock::{Nanos, nanos};
use crate::policy::retry::Backoff;

/// What a task does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Begins again after this pause.
    Restart(Nanos),
    /// Stays ended.
    GiveUp,
}

/// How often a task has failed in a row. Pauses double from the first of `restart` to the second, each spread over its upper
/// half (equal jitter: a task must never begin again at once); a run of at least the second counts as having gone well, and the
/// next pause is the first again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    restart: Option<DurationRange>,
    failures: u32,
}

impl Course {
    pub(crate) const fn new(restart: Option<DurationRange>) -> Self {
        Self { restart, failures: 0 }
    }

    /// A run failed that took `ran`; `random` is uniform in 0..1.
    pub(crate) fn failed(&mut self, ran: Duration, random: f64) -> Next {
        let Some(restart) = self.restart else { return Next::GiveUp };
        self.failures = if ran >= restart.to { 1 } else { self.failures.saturating_add(1) };
        let growing =
            RetrySpec { backoff: restart, factor: 2.0, jitter: Jitter::Equal, ..RetrySpec::DEFAULT };
        let pause = Backoff::new(&growing).delay(self.failures, 0, random);
        Next::Restart(pause.max(nanos(Duration::from_millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;
    const RANGE: DurationRange = DurationRange { from: Duration::from_secs(1), to: Duration::from_mins(1) };

    #[test]
    fn pauses_double_up_to_the_last_and_are_spread_over_their_upper_half() {
        let (mut low, mut high) = (Course::new(Some(RANGE)), Course::new(Some(RANGE)));
        for whole in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(low.failed(Duration::ZERO, 0.0), Next::Restart(whole * S / 2));
            let Next::Restart(pause) = high.failed(Duration::ZERO, 0.999_999) else { panic!("no pause") };
            assert!(pause <= whole * S && pause > whole * S / 100 * 99, "{whole}: {pause}");
        }
    }

    #[test]
    fn a_run_that_went_well_begins_the_pauses_anew() {
        let mut course = Course::new(Some(RANGE));
        for _ in 0..5 {
            course.failed(Duration::from_secs(59), 0.0);
        }
        assert_eq!(course.failed(Duration::from_secs(59), 0.0), Next::Restart(16 * S));
        assert_eq!(course.failed(Duration::from_mins(1), 0.0), Next::Restart(S / 2));
    }

    #[test]
    fn never_is_never() {
        assert_eq!(Course::new(None).failed(Duration::from_hours(1), 0.0), Next::GiveUp);
    }
}

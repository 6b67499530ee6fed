//! Clients that ask for an answer sooner than the service gives it: what fails for want of the time that they have taken away says
//! nothing of those who work on it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Nanos;

/// What fails so shortly before the client's time is over fails because of it: a dependency that was told of it has given up a moment
/// before. Of a short time that is its second half, and of a long one its last tenth; what fails before has failed by itself, so that
/// a dependency that refuses at once opens its circuit whatever all clients ask for.
const BEFORE: Nanos = 50_000_000;

/// Whoever is told by a dependency that the time is over says so itself within this time.
const AT_ONCE: Nanos = 10_000_000;

/// How much less time a client gives its request than the service does.
#[derive(Debug, Default)]
pub struct Hurry {
    /// When the client's time is over; 0 where it asks for no less than the service gives.
    ends: Nanos,
    /// When the service's own would be.
    own: Nanos,
    /// When a dependency said last that its time was over; 0 for never.
    told: AtomicU64,
}

impl Clone for Hurry {
    fn clone(&self) -> Self {
        Self { told: AtomicU64::new(self.told.load(Ordering::Relaxed)), ..*self }
    }
}

#[cfg_attr(not(feature = "service"), expect(dead_code, reason = "no request has a client"))]
impl Hurry {
    /// The client's time is over at `ends`, before the service's own at `own`.
    pub(crate) fn new(ends: Nanos, own: Nanos) -> Self {
        Self { ends, own, told: AtomicU64::new(0) }
    }

    /// A dependency that was told of the time says that it is over.
    #[cfg_attr(not(feature = "http-client"), expect(dead_code, reason = "nobody asks others"))]
    pub(crate) fn is_told(&self, now: Nanos) {
        if self.ends != 0 {
            self.told.store(now.max(1), Ordering::Relaxed);
        }
    }

    /// Whether an attempt that began then, had `timeout`, and has failed now, has failed for want of the time that the client
    /// has taken away. One that ran for nearly as long as the service itself would have let it is evidence.
    pub(crate) fn accounts_for(&self, began: Nanos, now: Nanos, timeout: Nanos) -> bool {
        if self.ends == 0 {
            return false;
        }
        let given = timeout.min(self.own.saturating_sub(began));
        if now.saturating_sub(began) >= given - given / 10 {
            return false;
        }
        let had = self.ends.saturating_sub(began);
        let before = BEFORE.min(had / 2).max(had / 10);
        let told = self.told.load(Ordering::Relaxed);
        now.saturating_add(before) >= self.ends || told > 0 && now <= told.saturating_add(AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NEVER;

    const MS: Nanos = 1_000_000;
    const S: Nanos = 1000 * MS;

    #[test]
    fn only_the_time_that_the_client_took_away_is_its_own_doing() {
        // A request that came at 1 s, of a service that gives 15 s.
        let asks = |time| Hurry::new(S + time, 16 * S);
        for (hurry, began, now, timeout, expected, why) in [
            (Hurry::default(), S, 20 * S, NEVER, false, "the client asks for nothing"),
            (asks(20 * MS), S, S + 20 * MS, NEVER, true, "cut at the client's time"),
            (asks(270 * MS), S, S + 270 * MS, 500 * MS, true, "after more than half of the timeout"),
            (asks(270 * MS), S, S + 225 * MS, 500 * MS, true, "a dependency gave up a moment before"),
            (
                asks(20 * MS),
                S,
                S + 9 * MS,
                NEVER,
                false,
                "long before the end of a short time it fails by itself",
            ),
            (asks(20 * MS), S, S + 10 * MS, NEVER, true, "in the second half of a short time"),
            (
                asks(20 * MS),
                S + 16 * MS,
                S + 17 * MS,
                NEVER,
                false,
                "long before the end of what another attempt had",
            ),
            (
                asks(20 * MS),
                S + 16 * MS,
                S + 18 * MS,
                NEVER,
                true,
                "in the second half of what another attempt had",
            ),
            (asks(90 * MS), S, S + 44 * MS, NEVER, false, "more than half is left"),
            (asks(200 * MS), S, S + 149 * MS, NEVER, false, "more than 50 ms are left"),
            (asks(200 * MS), S, S + 150 * MS, NEVER, true, "50 ms are left"),
            (asks(2 * S), S, S + 1_799 * MS, NEVER, false, "more than a tenth is left"),
            (asks(2 * S), S, S + 1_800 * MS, NEVER, true, "a tenth is left"),
            (asks(5 * S), S, S + 10 * MS, NEVER, false, "it failed by itself"),
            (asks(5 * S), S, S + 500 * MS, 500 * MS, false, "the attempt's own time was over"),
            (asks(490 * MS), S, S + 490 * MS, 500 * MS, false, "it had nearly all of its time"),
            (asks(14_800 * MS), S, S + 14_800 * MS, NEVER, false, "it had nearly all of the service's time"),
            (asks(14_800 * MS), 15 * S, 15_800 * MS, NEVER, true, "it began late"),
        ] {
            assert_eq!(hurry.accounts_for(began, now, timeout), expected, "{why}");
        }
    }

    #[test]
    fn what_a_dependency_says_of_the_time_counts_for_a_moment() {
        let hurry = Hurry::new(S, 16 * S);
        assert!(!hurry.accounts_for(0, MS, NEVER), "nothing was said");
        hurry.is_told(100 * MS);
        assert!(hurry.clone().accounts_for(0, 101 * MS, NEVER), "a copy has heard it too");
        assert!(hurry.accounts_for(0, 101 * MS, NEVER) && !hurry.accounts_for(0, 120 * MS, NEVER));
        let patient = Hurry::default();
        patient.is_told(100 * MS);
        assert!(!patient.accounts_for(0, 100 * MS, NEVER));
    }
}

//! When a queue is overloaded: its next caller has waited for too long, and the queue is no mere burst.
//!
//! A caller whose deadline is known is served in time or refused, so those who came first are served first. Where it is not known,
//! those who leave show for how long callers wait, or else it is assumed.

use crate::clock::{NEVER, Nanos};

/// Those who come to an empty queue within this time are a burst, and are served in their order however long it takes.
const BURST: Nanos = 100_000_000;
/// Half of the second that a caller is taken to have of which nothing is known.
pub(crate) const ASSUMED: Nanos = 500_000_000;
/// Nor is a queue overloaded in which a caller waits for no more than so many others.
pub(crate) const FEW: u32 = 5;

/// Whether a queue that was last empty at the moment `since` is overloaded: its next caller came at the moment `came`, is served at
/// the moment `turn` and should not wait for longer than `bearable`.
pub(crate) const fn stands(since: Nanos, came: Nanos, turn: Nanos, bearable: Nanos) -> bool {
    came > since.saturating_add(BURST) && turn.saturating_sub(came) > bearable
}

/// The callers that leave while they wait, among all who wait: how many, and after which time.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// Their share of late, in parts of [`ALL`].
    pub(super) share: u32,
    /// How long they waited, on average of late.
    waited: Nanos,
}

const ALL: u32 = 1 << 16;
/// A share above this is no accident.
const MANY: u32 = ALL / 16;
/// How far the share follows each caller, and the time each one that leaves.
const SHARE: u32 = 32;
const WAITED: u64 = 8;

impl Departures {
    /// A caller was served.
    pub(crate) const fn served(&mut self) {
        self.share -= self.share / SHARE;
    }

    /// A caller left.
    pub(crate) const fn left(&mut self, waited: Nanos) {
        self.share += (ALL - self.share) / SHARE;
        self.waited =
            if self.waited == 0 { waited } else { self.waited - self.waited / WAITED + waited / WAITED };
    }

    /// How long callers should wait at most so that few of them leave, [`NEVER`] as long as few do.
    pub(crate) const fn bearable(&self) -> Nanos {
        if self.share > MANY { self.waited / 2 } else { NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn a_queue_stands_when_it_is_no_burst_and_its_next_caller_has_waited_for_too_long() {
        let came = SECOND + BURST;
        assert!(!stands(SECOND, came, came + 9 * SECOND, SECOND), "it belongs to the burst");
        assert!(!stands(SECOND, came + 1, came + 1 + SECOND, SECOND));
        assert!(stands(SECOND, came + 1, came + 2 + SECOND, SECOND));
        assert!(!stands(SECOND, came + 1, 0, 0), "it has just come");
    }

    #[test]
    fn half_of_the_time_after_which_many_leave_is_bearable() {
        let mut departures = Departures::default();
        assert_eq!(departures.bearable(), NEVER);
        departures.left(SECOND);
        departures.left(SECOND);
        assert_eq!(departures.bearable(), NEVER, "two may be an accident");
        departures.left(SECOND);
        assert_eq!(departures.bearable(), SECOND / 2);
        // One of twenty is no sign.
        for number in 0..400 {
            if number % 20 == 0 { departures.left(SECOND) } else { departures.served() }
        }
        assert_eq!(departures.bearable(), NEVER);
        // One of five is, and tells a new time.
        for number in 0..400 {
            if number % 5 == 0 { departures.left(SECOND / 10) } else { departures.served() }
        }
        let bearable = departures.bearable();
        assert!((SECOND / 20..SECOND / 19).contains(&bearable), "{bearable}");
        for _ in 0..1000 {
            departures.left(SECOND);
        }
        assert!(departures.share <= ALL);
        for _ in 0..1000 {
            departures.served();
        }
        assert_eq!(departures.bearable(), NEVER);
    }
}

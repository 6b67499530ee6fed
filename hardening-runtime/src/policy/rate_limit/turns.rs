//! Turns that were given up while others waited behind them.
//!
//! Those behind keep their turns, so such a turn cannot be taken off the arrival time: later callers would meet
//! them. It stays where it is, for the next caller of the same key and cost that would have to wait.

use std::sync::PoisonError;

use super::Charge;
use crate::clock::Nanos;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// As many are kept; a further one is lost, as each is once its time has passed.
const MOST: usize = 1024;

/// One turn: when it comes, and whose charge it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) at: Nanos,
    pub(super) charge: Charge,
}

/// The free turns of a limiter.
#[derive(Debug, Default)]
pub(super) struct FreeTurns {
    /// Whether there may be one.
    any: AtomicBool,
    turns: Mutex<Vec<Turn>>,
}

impl FreeTurns {
    /// Keeps a turn for somebody else.
    pub(super) fn keep(&self, turn: Turn, now: Nanos) {
        let mut turns = self.lock();
        turns.retain(|turn| turn.at >= now);
        if turns.len() < MOST {
            turns.push(turn);
        }
        self.any.store(true, Ordering::Release);
    }

    #[cfg(feature = "testing")]
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The earliest turn for this charge in `now..=latest`.
    pub(super) fn take(&self, charge: Charge, now: Nanos, latest: Nanos) -> Option<Nanos> {
        let fits = |turn: &Turn| {
            turn.charge.key == charge.key
                && turn.charge.cost == charge.cost
                && turn.at >= now
                && turn.at <= latest
        };
        let earliest =
            |turns: &[Turn]| (0..turns.len()).filter(|at| fits(&turns[*at])).min_by_key(|at| turns[*at].at);
        self.remove(earliest).map(|turn| turn.at)
    }

    /// The turn of this key that comes exactly then.
    pub(super) fn take_at(&self, key: u64, at: Nanos) -> Option<Turn> {
        self.remove(|turns| turns.iter().position(|turn| turn.charge.key == key && turn.at == at))
    }

    fn remove(&self, find: impl FnOnce(&[Turn]) -> Option<usize>) -> Option<Turn> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut turns = self.lock();
        let found = find(&turns).map(|at| turns.swap_remove(at));
        if turns.is_empty() {
            self.any.store(false, Ordering::Release);
        }
        found
    }

    /// The list holds numbers only, so a panic elsewhere cannot have left it half-written.
    fn lock(&self) -> MutexGuard<'_, Vec<Turn>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NEVER;

    #[test]
    fn free_turns_are_for_the_same_charge_and_not_for_ever() {
        let turns = FreeTurns::default();
        let keep = |at, key, cost, now| turns.keep(Turn { at, charge: Charge { key, cost } }, now);
        let take = |key, cost, now, latest| turns.take(Charge { key, cost }, now, latest);
        assert_eq!(take(1, 1, 0, NEVER), None);
        for at in [30, 10, 20] {
            keep(at, 1, 1, 5);
        }
        assert_eq!(
            (take(2, 1, 0, NEVER), take(1, 2, 0, NEVER)),
            (None, None),
            "of another key, of another cost"
        );
        assert_eq!((take(1, 1, 0, 9), take(1, 1, 31, NEVER)), (None, None), "too late, and gone by");
        assert_eq!(take(1, 1, 10, 10), Some(10));
        assert_eq!(take(1, 1, 0, NEVER), Some(20), "the earliest");
        assert!(turns.take_at(1, 29).is_none() && turns.take_at(2, 30).is_none());
        assert!(turns.take_at(1, 30).is_some_and(|turn| turn.at == 30));
        assert!(!turns.any.load(Ordering::Relaxed), "nobody looks where nothing is");
        // What has passed makes room.
        keep(40, 1, 1, 40);
        keep(50, 1, 1, 41);
        assert_eq!(turns.lock().len(), 1);
        keep(60, 1, 1, 50);
        assert_eq!(turns.lock().len(), 2, "a turn that is now has not passed");
        for at in 0..2000 {
            keep(100 + at, 1, 1, 50);
        }
        assert_eq!(turns.lock().len(), 1024, "a bound on memory");
    }
}

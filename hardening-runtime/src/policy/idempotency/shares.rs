//! What each owner of keys holds, and how much of a store it may: nobody takes the room of all others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::room::OF_KEY;

const SHARDS: usize = 16;

/// How much one owner may hold of `max`, of which `held` is in use: a quarter where nobody else holds anything. The square has the
/// share shrink faster than what is free, so that there is something left for those who come next, however many hold all they may:
/// of 100 000 keys, 10 000 owners together take all but some 1 500, nine each.
pub(super) fn share(max: u64, held: u64) -> u64 {
    if max == u64::MAX {
        return max;
    }
    let free = u128::from(max.saturating_sub(held));
    // One owner alone stops where x = 4/9 (1 - x)², which is a quarter.
    let share = 4 * free * free / (9 * u128::from(max.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// What one owner holds.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    keys: u64,
    /// Keys included.
    bytes: u64,
}

/// What each owner holds. Of what has no owner nothing is counted.
#[derive(Debug)]
pub(super) struct Shares([Mutex<HashMap<u64, Held>>; SHARDS]);

impl Shares {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    fn shard(&self, owner: u64) -> MutexGuard<'_, HashMap<u64, Held>> {
        // Numbers alone are written under the lock.
        self.0[(owner >> 60) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more key, unless it goes beyond a share. One is everybody's, as long as the store has room.
    pub(super) fn take(&self, owner: Option<u64>, most_keys: u64, most_bytes: u64) -> bool {
        let Some(owner) = owner else { return true };
        let mut owners = self.shard(owner);
        let before = owners.get(&owner).copied().unwrap_or_default();
        if before.keys > 0 && (before.keys >= most_keys || before.bytes + OF_KEY > most_bytes) {
            return false;
        }
        owners.insert(owner, Held { keys: before.keys + 1, bytes: before.bytes + OF_KEY });
        true
    }

    /// Counts a key that had been another owner's.
    pub(super) fn inherit(&self, owner: Option<u64>) {
        self.take(owner, u64::MAX, u64::MAX);
    }

    /// Whether an answer of this size stays within a share.
    pub(super) fn has(&self, owner: Option<u64>, bytes: u64, most: u64) -> bool {
        owner.is_none_or(|owner| {
            let held = self.shard(owner).get(&owner).map_or(0, |held| held.bytes);
            held.saturating_add(bytes) <= most
        })
    }

    /// Counts an answer, unless it goes beyond a share.
    pub(super) fn grow(&self, owner: Option<u64>, bytes: u64, most: u64) -> bool {
        let Some(owner) = owner else { return true };
        let mut owners = self.shard(owner);
        let Some(held) = owners.get_mut(&owner) else { return false };
        let grown = held.bytes.saturating_add(bytes);
        if grown <= most {
            held.bytes = grown;
        }
        grown <= most
    }

    /// Takes back what [`Shares::grow`] counted.
    pub(super) fn shrink(&self, owner: Option<u64>, bytes: u64) {
        let Some(owner) = owner else { return };
        if let Some(held) = self.shard(owner).get_mut(&owner) {
            held.bytes = held.bytes.saturating_sub(bytes);
        }
    }

    /// Takes back a key with its answer.
    pub(super) fn give_back(&self, owner: Option<u64>, bytes: u64) {
        let Some(owner) = owner else { return };
        let mut owners = self.shard(owner);
        if let Some(held) = owners.get_mut(&owner) {
            *held = Held { keys: held.keys.saturating_sub(1), bytes: held.bytes.saturating_sub(bytes) };
            if held.keys == 0 {
                owners.remove(&owner);
            }
        }
    }

    /// Owners that hold something.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|owners| owners.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_has_a_quarter_and_many_leave_something() {
        for max in [8, 1_000, 100_000, 1 << 40] {
            let at_quarter = share(max, max / 4);
            assert!(at_quarter.abs_diff(max / 4) <= 1, "{max}: {at_quarter}");
        }
        assert_eq!(share(u64::MAX, 1 << 40), u64::MAX, "no bound, no share");
        assert_eq!((share(10, 10), share(10, 99), share(0, 0)), (0, 0, 0));
        assert!(share(100_000, 98_500) >= 9);
    }
}

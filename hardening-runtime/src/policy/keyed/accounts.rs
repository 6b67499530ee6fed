//! How many keys each owner holds.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::PoisonError;

use super::hash::Already;
use crate::sync::{Mutex, MutexGuard};

const SHARDS: usize = 16;

type Shard = HashMap<u64, u64, BuildHasherDefault<Already>>;

/// Keys of each owner that holds some.
#[derive(Debug)]
pub(super) struct Accounts([Mutex<Shard>; SHARDS]);

impl Accounts {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    /// Counts one more key, unless there are `most` or more. One is everybody's.
    pub(super) fn take(&self, owner: u64, most: u64) -> bool {
        let mut accounts = self.shard(owner);
        let keys = accounts.entry(owner).or_default();
        let takes = *keys == 0 || *keys < most;
        *keys += u64::from(takes);
        takes
    }

    /// Counts one less.
    pub(super) fn give_back(&self, owner: u64) {
        let mut accounts = self.shard(owner);
        if let Some(keys) = accounts.get_mut(&owner) {
            *keys -= 1;
            if *keys == 0 {
                accounts.remove(&owner);
            }
        }
    }

    fn shard(&self, owner: u64) -> MutexGuard<'_, Shard> {
        // The map inside uses the low bits; numbers alone are written under the lock.
        self.0[(owner >> 60) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_for_each_owner_and_one_is_everybody_s() {
        let accounts = Accounts::new();
        let held = |owner: u64| accounts.shard(owner).get(&owner).copied();
        let (one, other) = (7, 7 << 60);
        assert!(accounts.take(one, 0) && !accounts.take(one, 1));
        assert!(accounts.take(one, 2) && !accounts.take(one, 2) && accounts.take(other, 1));
        assert_eq!((held(one), held(other)), (Some(2), Some(1)));
        accounts.give_back(one);
        accounts.give_back(other);
        accounts.give_back(other);
        assert_eq!((held(one), held(other)), (Some(1), None));
    }
}

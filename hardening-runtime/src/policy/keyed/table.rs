//! The table itself.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::PoisonError;

use super::accounts::Accounts;
use super::hash::{Already, hash_key};
use super::owner::{Owner, bucket};
use crate::clock::Nanos;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

const SHARDS: usize = 16;

/// A sweep looks at every entry, so a full table is swept at most this often.
const SWEEP_EVERY: Nanos = 10_000_000;

/// A table of fewer keys is for keys that the program chooses, whoever calls.
const SHARED_FROM: u64 = 64;

/// What a key has.
pub(crate) trait Value: Copy {
    /// Whether forgetting it changes nothing.
    fn is_idle(&self, now: Nanos) -> bool;
}

/// Who holds an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// A key on nobody's account.
    Key,
    /// A key on the account of this owner.
    KeyOf(u64),
    /// All keys of a bucket.
    Bucket,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    holder: Holder,
}

type Shard<V> = HashMap<u64, Entry<V>, BuildHasherDefault<Already>>;

/// One value for each of at most `max` keys, and for each bucket.
#[derive(Debug)]
pub(crate) struct Table<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Keys held, without buckets.
    len: AtomicUsize,
    max: AtomicUsize,
    most_buckets: u32,
    swept: AtomicU64,
    accounts: Accounts,
}

/// Where a key's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The key itself, or that of its bucket.
    pub(crate) key: u64,
    /// Whether it is a bucket.
    pub(crate) is_bucket: bool,
}

impl<V: Value> Table<V> {
    /// Room for `max` keys, and for `most_buckets` buckets; a small table has one.
    pub(crate) fn new(max: u32, most_buckets: u32) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            len: AtomicUsize::new(0),
            max: AtomicUsize::new(max as usize),
            most_buckets,
            swept: AtomicU64::new(0),
            accounts: Accounts::new(),
        }
    }

    /// Holds at most so many keys from now on; those beyond stay until they are idle.
    pub(crate) fn bound(&self, max: u32) {
        self.max.store(max as usize, Ordering::Relaxed);
    }

    /// The bound on keys.
    pub(crate) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Keys held now, without buckets.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Uses the value of a known key, under the lock of its shard, so that it is not taken for idle meanwhile.
    pub(crate) fn known<R>(&self, key: u64, act: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.shard(key).get_mut(&key).map(|entry| act(&mut entry.value))
    }

    /// The same, where a key without a value gets one if there are fewer than `most`. `gone` takes the values of idle keys
    /// that made room.
    pub(crate) fn within<R>(
        &self,
        key: u64,
        most: usize,
        now: Nanos,
        fresh: impl FnOnce() -> V,
        gone: impl FnMut(V),
        act: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        if let Some(entry) = self.shard(key).get_mut(&key) {
            return Some(act(&mut entry.value));
        }
        self.reserve(most, now, gone).then(|| self.bring(key, Holder::Key, fresh, act))
    }

    /// Uses the value of `key`, or of the bucket in which it is when there is no room for it. `owner` is asked for a new key.
    pub(crate) fn with<R>(
        &self,
        key: u64,
        owner: impl FnOnce() -> Option<Owner>,
        now: Nanos,
        fresh: impl FnOnce() -> V,
        gone: impl FnMut(V),
        act: impl FnOnce(&mut V) -> R,
    ) -> (Place, R) {
        let own = Place { key, is_bucket: false };
        if let Some(entry) = self.shard(key).get_mut(&key) {
            return (own, act(&mut entry.value));
        }
        let owner = owner();
        let account = owner.map(|owner| owner.id);
        let share = self.share();
        if self.reserve(self.max(), now, gone) {
            if account.is_none_or(|account| self.accounts.take(account, share)) {
                return (own, self.bring(key, account.map_or(Holder::Key, Holder::KeyOf), fresh, act));
            }
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        let bucket = self.bucket(owner, key);
        (Place { key: bucket, is_bucket: true }, self.bring(bucket, Holder::Bucket, fresh, act))
    }

    /// Where a key's value is, if it has one.
    pub(crate) fn place(&self, key: u64, owner: impl FnOnce() -> Option<Owner>) -> Option<Place> {
        let known = |key: u64| self.shard(key).contains_key(&key);
        if known(key) {
            return Some(Place { key, is_bucket: false });
        }
        let bucket = self.bucket(owner(), key);
        known(bucket).then_some(Place { key: bucket, is_bucket: true })
    }

    /// Visits every value.
    pub(crate) fn each(&self, mut visit: impl FnMut(&mut V)) {
        for shard in &self.shards {
            lock(shard).values_mut().for_each(|entry| visit(&mut entry.value));
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            lock(shard).drain().for_each(|(_, entry)| self.left(entry.holder));
        }
        // The clock of another test may be behind.
        self.swept.store(0, Ordering::Relaxed);
    }

    /// How many keys one owner may hold. Up to three quarters of the table nobody is held to a share; from there on, it shrinks
    /// faster than what is free.
    fn share(&self) -> u64 {
        let (max, len) = (self.max() as u64, self.len() as u64);
        let free = max.saturating_sub(len);
        if max < SHARED_FROM || free > max / 4 { u64::MAX } else { 2 * free * free / max }
    }

    /// Counts one more key if there are fewer than `most`.
    fn reserve(&self, most: usize, now: Nanos, gone: impl FnMut(V)) -> bool {
        let take = |len: usize| (len < most).then_some(len + 1);
        let reserve = || self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        reserve() || self.sweep(now, gone) && reserve()
    }

    /// Has a key that is counted already held.
    fn bring<R>(
        &self,
        key: u64,
        holder: Holder,
        fresh: impl FnOnce() -> V,
        act: impl FnOnce(&mut V) -> R,
    ) -> R {
        let mut shard = self.shard(key);
        let before = shard.len();
        let result = act(&mut shard.entry(key).or_insert_with(|| Entry { value: fresh(), holder }).value);
        if shard.len() == before {
            // Another caller brought the same key in meanwhile.
            self.left(holder);
        }
        result
    }

    /// What a holder took is free again.
    fn left(&self, holder: Holder) {
        match holder {
            Holder::Bucket => return,
            Holder::Key => {}
            Holder::KeyOf(owner) => self.accounts.give_back(owner),
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
    }

    /// Drops idle keys; false when it is too early to look again.
    fn sweep(&self, now: Nanos, mut gone: impl FnMut(V)) -> bool {
        let last = self.swept.load(Ordering::Relaxed);
        let due = last == 0 || now >= last.saturating_add(SWEEP_EVERY);
        if !due || self.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        for shard in &self.shards {
            lock(shard).retain(|_, entry| {
                let idle = entry.value.is_idle(now);
                if idle {
                    gone(entry.value);
                    self.left(entry.holder);
                }
                !idle
            });
        }
        true
    }

    /// The key of the bucket in which a key is.
    fn bucket(&self, owner: Option<Owner>, key: u64) -> u64 {
        let count = if (self.max() as u64) < SHARED_FROM { 1 } else { self.most_buckets.into() };
        hash_key(&("bucket", bucket(owner, key, count)))
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard<V>> {
        // The map inside uses the low bits.
        lock(&self.shards[(key >> 60) as usize % SHARDS])
    }
}

/// Nothing that is done under these locks leaves them half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! One theoretical arrival time for each key, in a bounded sharded map.
//!
//! Keys are kept as 64-bit hashes of a hasher seeded anew in each process, so an entry has one size whatever
//! the key, no key stays in memory, and nobody outside can aim at a collision; among 10 000 keys the odds of
//! any collision are below 1 in 10^11.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{LazyLock, PoisonError};

use crate::clock::Nanos;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Set in an arrival time while callers wait for turns of its key: the [`Book`](super::book::Book) holds the state then.
/// Later than every moment, so that whoever does not know of it refuses.
pub(super) const WAITING: Nanos = 1 << 63;

const SHARDS: usize = 16;

/// A sweep looks at every entry, so a full map is swept at most this often.
const SWEEP_EVERY: Nanos = 10_000_000;

/// The hash under which a key is kept.
#[inline]
pub fn hash_key<K: Hash + ?Sized>(key: &K) -> u64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    SEED.hash_one(key)
}

/// Keys are hashes already.
#[derive(Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Shard = HashMap<u64, Nanos, BuildHasherDefault<Already>>;

/// The arrival times of at most `max` keys.
#[derive(Debug)]
pub struct Keyed {
    shards: [Mutex<Shard>; SHARDS],
    len: AtomicUsize,
    max: AtomicUsize,
    swept: AtomicU64,
}

impl Keyed {
    /// Room for `max` keys.
    pub fn new(max: u32) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            len: AtomicUsize::new(0),
            max: AtomicUsize::new(max as usize),
            swept: AtomicU64::new(0),
        }
    }

    /// Changes the arrival time of `key`, which is 0 for a new one; `None` when there is no room for it.
    pub fn update<R>(&self, key: u64, now: Nanos, change: impl FnOnce(&mut Nanos) -> R) -> Option<R> {
        self.update_within(key, self.max.load(Ordering::Relaxed), now, change)
    }

    /// The same where there is room for a new key as long as there are fewer than `most`.
    pub(super) fn update_within<R>(
        &self,
        key: u64,
        most: usize,
        now: Nanos,
        change: impl FnOnce(&mut Nanos) -> R,
    ) -> Option<R> {
        if let Some(tat) = self.shard(key).get_mut(&key) {
            return Some(change(tat));
        }
        if !self.reserve(most, now) {
            return None;
        }
        let mut shard = self.shard(key);
        let before = shard.len();
        let result = change(shard.entry(key).or_insert(0));
        if shard.len() == before {
            // Another caller brought the same key in meanwhile.
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        Some(result)
    }

    /// Changes the arrival time of a known key, if `change` agrees; answers what it was, as `Ok` if it was changed.
    pub fn change(
        &self,
        key: u64,
        change: impl FnOnce(Nanos) -> Option<Nanos>,
    ) -> Option<Result<Nanos, Nanos>> {
        let mut shard = self.shard(key);
        let tat = shard.get_mut(&key)?;
        let before = *tat;
        Some(change(before).map(|after| *tat = after).map_or(Err(before), |()| Ok(before)))
    }

    /// Marks the arrival time of `key` as [`WAITING`], and answers what it was; `None` when there is no room for it.
    pub(super) fn open(&self, key: u64, now: Nanos) -> Option<Nanos> {
        self.update(key, now, |tat| std::mem::replace(tat, *tat | WAITING) & !WAITING)
    }

    /// Gives a key its arrival time back.
    pub(super) fn close(&self, key: u64, tat: Nanos) {
        if let Some(word) = self.shard(key).get_mut(&key) {
            *word = tat;
        }
    }

    /// No arrival time is later, but those of keys for which callers wait.
    pub(super) fn cap(&self, latest: Nanos) {
        for shard in &self.shards {
            lock(shard).values_mut().filter(|tat| **tat < WAITING).for_each(|tat| *tat = latest.min(*tat));
        }
    }

    /// The arrival time of a known key.
    pub fn peek(&self, key: u64) -> Option<Nanos> {
        self.shard(key).get(&key).copied()
    }

    #[cfg(feature = "testing")]
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            self.len.fetch_sub(shard.len(), Ordering::Relaxed);
            shard.clear();
        }
        // The clock of another test may be behind.
        self.swept.store(0, Ordering::Relaxed);
    }

    /// Keys held now.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds at most so many keys from now on; those beyond stay until they are idle.
    pub(super) fn bound(&self, max: u32) {
        self.max.store(max as usize, Ordering::Relaxed);
    }

    fn reserve(&self, most: usize, now: Nanos) -> bool {
        let take = |len: usize| (len < most).then_some(len + 1);
        if self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return true;
        }
        self.sweep(now) && self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Drops the keys whose limit is full again: forgetting them changes no decision.
    fn sweep(&self, now: Nanos) -> bool {
        let last = self.swept.load(Ordering::Relaxed);
        let due = last == 0 || now >= last.saturating_add(SWEEP_EVERY);
        if !due || self.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, tat| *tat > now);
            self.len.fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
        true
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        // The map inside uses the low bits.
        lock(&self.shards[(key >> 60) as usize % SHARDS])
    }
}

/// A shard holds numbers only, so a panic elsewhere cannot have left it half-written.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

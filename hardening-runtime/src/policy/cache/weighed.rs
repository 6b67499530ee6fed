//! Results under a bound on their size, beside the bound on their number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::PoisonError;

use hardening_spec::CacheSpec;

use crate::sync::{Mutex, MutexGuard};

/// What an entry takes besides its key and its result: its place in the map and in the ring, and what both hold in reserve.
const OVERHEAD: u64 = 128;

/// Entries under both bounds. Those that were not used since the hand came by last go first (CLOCK).
#[derive(Debug)]
pub(super) struct Weighed<K, V>(Mutex<Ring<K, V>>);

#[derive(Debug)]
struct Ring<K, V> {
    places: HashMap<K, usize>,
    entries: Vec<Option<Entry<K, V>>>,
    free: Vec<usize>,
    hand: usize,
    /// Where the newest entry stands, unless it is gone.
    newest: usize,
    bytes: u64,
    max_bytes: u64,
    max_entries: usize,
}

#[derive(Debug)]
pub(super) struct Entry<K, V> {
    key: K,
    value: V,
    bytes: u64,
    used: bool,
}

/// What has gone, with the key of its place: whoever gets it drops it where no lock is held.
type Gone<K, V> = (K, Entry<K, V>);

impl<K: Hash + Eq + Clone, V: Clone> Weighed<K, V> {
    /// Nothing yet, under the bounds of `spec` where it has both.
    pub(super) fn new(spec: &CacheSpec) -> Option<Self> {
        Some(Self(Mutex::new(Ring {
            places: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            hand: 0,
            newest: 0,
            bytes: 0,
            max_bytes: spec.max_bytes?,
            max_entries: spec.max_entries as usize,
        })))
    }

    fn ring(&self) -> MutexGuard<'_, Ring<K, V>> {
        // Nothing of the user's but `Hash`, `Eq` and `Clone` of a key runs under the lock: what goes is dropped outside.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let mut ring = self.ring();
        let at = *ring.places.get(key)?;
        let entry = ring.entries[at].as_mut()?;
        entry.used = true;
        Some(entry.value.clone())
    }

    /// Keeps a value; one that is larger than the whole bound is not kept, nor what stood in its place. Answers what goes.
    pub(super) fn insert(&self, key: K, value: V, bytes: u64) -> Vec<Gone<K, V>> {
        let bytes = bytes.saturating_add(OVERHEAD);
        let entry = Entry { key: key.clone(), value, bytes, used: false };
        let mut gone = Vec::new();
        let mut ring = self.ring();
        gone.extend(ring.remove(&key));
        if bytes > ring.max_bytes || ring.max_entries == 0 {
            gone.push((key, entry));
            return gone;
        }
        ring.make_room(1, bytes, &mut gone);
        let at = ring.free.pop().unwrap_or_else(|| {
            ring.entries.push(None);
            ring.entries.len() - 1
        });
        ring.entries[at] = Some(entry);
        ring.newest = at;
        ring.places.insert(key, at);
        ring.bytes += bytes;
        gone
    }

    pub(super) fn remove(&self, key: &K) {
        let gone = self.ring().remove(key);
        drop(gone);
    }

    pub(super) fn clear(&self) {
        let mut ring = self.ring();
        ring.free.clear();
        (ring.hand, ring.bytes) = (0, 0);
        let gone = (std::mem::take(&mut ring.places), std::mem::take(&mut ring.entries));
        drop(ring);
        drop(gone);
    }

    /// Evicts one entry to make room elsewhere, other than the newest one if that is spared. False when there is none.
    pub(super) fn evict(&self, spares_newest: bool) -> bool {
        let mut ring = self.ring();
        let spared = spares_newest.then_some(ring.newest);
        let gone = ring.evict(spared);
        drop(ring);
        gone.is_some()
    }

    /// Puts other bounds in force.
    pub(super) fn tune(&self, spec: &CacheSpec) {
        let mut gone = Vec::new();
        let mut ring = self.ring();
        ring.max_bytes = spec.max_bytes.unwrap_or(u64::MAX);
        ring.max_entries = spec.max_entries as usize;
        ring.make_room(0, 0, &mut gone);
        drop(ring);
    }

    pub(super) fn len(&self) -> usize {
        self.ring().places.len()
    }

    /// The size of everything that is held.
    pub(super) fn bytes(&self) -> u64 {
        self.ring().bytes
    }
}

impl<K: Hash + Eq + Clone, V> Ring<K, V> {
    fn remove(&mut self, key: &K) -> Option<Gone<K, V>> {
        self.take(*self.places.get(key)?)
    }

    fn take(&mut self, at: usize) -> Option<Gone<K, V>> {
        let entry = self.entries[at].take()?;
        let (key, _) = self.places.remove_entry(&entry.key)?;
        self.free.push(at);
        self.bytes -= entry.bytes;
        Some((key, entry))
    }

    /// Evicts until so many more entries of so many bytes fit.
    fn make_room(&mut self, entries: usize, bytes: u64, gone: &mut Vec<Gone<K, V>>) {
        while !self.places.is_empty()
            && (self.places.len() + entries > self.max_entries
                || self.bytes.saturating_add(bytes) > self.max_bytes)
        {
            gone.extend(self.evict(None));
        }
    }

    /// Takes out the next entry that was not used since the hand came by last, and that is not at `spared`.
    fn evict(&mut self, spared: Option<usize>) -> Option<Gone<K, V>> {
        let is_kept = spared.is_some_and(|at| self.entries.get(at).is_some_and(Option::is_some));
        if self.places.len() == usize::from(is_kept) {
            return None;
        }
        loop {
            self.hand = if self.hand + 1 < self.entries.len() { self.hand + 1 } else { 0 };
            match &mut self.entries[self.hand] {
                Some(_) if Some(self.hand) == spared => {}
                Some(entry) if entry.used => entry.used = false,
                Some(_) => return self.take(self.hand),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn weighed(max_entries: u32, max_bytes: u64) -> Weighed<u32, u32> {
        let spec = CacheSpec::new(Duration::from_secs(1)).with_max_entries(max_entries);
        Weighed::new(&spec.with_max_bytes(max_bytes)).unwrap()
    }

    #[test]
    fn both_bounds_hold_whatever_comes() {
        fastrand::seed(11);
        let held = weighed(20, 10_000);
        let mut model: HashMap<u32, u64> = HashMap::new();
        for _ in 0..20_000 {
            let key = fastrand::u32(..60);
            match fastrand::u32(..8) {
                0 => held.remove(&key),
                1..4 => {
                    held.get(&key);
                }
                _ => {
                    let bytes = if fastrand::u32(..20) == 0 { 20_000 } else { fastrand::u64(..2_000) };
                    held.insert(key, key, bytes);
                    model.insert(key, bytes + OVERHEAD);
                    assert_eq!(
                        held.get(&key).is_some(),
                        bytes + OVERHEAD <= 10_000,
                        "what came last is kept"
                    );
                }
            }
            let ring = held.ring();
            let bytes: u64 = ring.entries.iter().flatten().map(|entry| entry.bytes).sum();
            assert_eq!((bytes, ring.places.len()), (ring.bytes, ring.entries.iter().flatten().count()));
            assert!(bytes <= 10_000 && ring.places.len() <= 20 && ring.entries.len() <= 20);
            assert!(ring.entries.iter().flatten().all(|entry| model[&entry.key] == entry.bytes));
        }
    }

    #[test]
    fn one_goes_for_another_store_and_the_newest_may_stay() {
        let held = weighed(10, 1_000_000);
        assert!(!held.evict(false) && !held.evict(true));
        for key in 0..3 {
            held.insert(key, key, 1);
        }
        assert!(held.get(&0).is_some() && held.get(&1).is_some());
        assert!(held.evict(true) && held.evict(true), "they were used, but there is nothing else");
        assert!(!held.evict(true) && held.get(&2).is_some());
        held.remove(&2);
        assert!(!held.evict(true));
        held.insert(3, 3, 1);
        assert!(!held.evict(true) && held.evict(false));
        assert_eq!((held.len(), held.bytes()), (0, 0));
    }

    #[test]
    fn what_is_used_stays() {
        let held = weighed(3, 1_000_000);
        for key in 0..3 {
            held.insert(key, key, 1);
        }
        for key in 3..50 {
            assert!(held.get(&0).is_some(), "{key}");
            held.insert(key, key, 1);
        }
        assert_eq!(held.len(), 3);
        held.tune(&CacheSpec::new(Duration::from_secs(1)).with_max_entries(1).with_max_bytes(1_000));
        assert_eq!((held.len(), held.bytes()), (1, 1 + OVERHEAD));
        held.clear();
        assert_eq!((held.len(), held.bytes()), (0, 0));
        held.insert(1, 1, 1);
        assert_eq!(held.get(&1), Some(1));
    }
}

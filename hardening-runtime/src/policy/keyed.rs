//! One state for each key, in bounded memory: of breakers and bulkheads.
//!
//! What was made for a key is never given back to the allocator. When every place is taken, a key whose state is idle loses
//! it to a new key, which begins afresh; forgetting an idle state changes no decision. When none is idle, further keys share
//! one state. Keys are kept as hashes, as those of rate limits are.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError};

use crate::clock::Nanos;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

const SHARDS: usize = 16;

/// A sweep looks at every state, so a full map is swept at most this often.
const SWEEP_EVERY: Nanos = 10_000_000;

/// A state that one key may leave to another.
pub(crate) trait Reusable: Sized + 'static {
    /// Whether forgetting it changes nothing.
    fn is_idle(&self, now: Nanos) -> bool;
    /// Begins afresh.
    fn reuse(&self, now: Nanos);
}

type Shard<T> = Mutex<HashMap<u64, &'static T>>;

/// The states of at most `max` keys.
pub(crate) struct Keyed<T: 'static> {
    name: &'static str,
    make: Box<dyn Fn(Nanos) -> T + Send + Sync>,
    shards: [Shard<T>; SHARDS],
    /// States that a key has left.
    free: Mutex<Vec<&'static T>>,
    /// States made.
    made: AtomicUsize,
    max: AtomicUsize,
    swept: AtomicU64,
    overflow: OnceLock<&'static T>,
    overflowed: AtomicBool,
}

impl<T: Reusable> Keyed<T> {
    pub(crate) fn new(
        name: &'static str,
        max: u32,
        make: impl Fn(Nanos) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            make: Box::new(make),
            shards: std::array::from_fn(|_| Mutex::default()),
            free: Mutex::default(),
            made: AtomicUsize::new(0),
            max: AtomicUsize::new(max as usize),
            swept: AtomicU64::new(0),
            overflow: OnceLock::new(),
            overflowed: AtomicBool::new(false),
        }
    }

    /// Holds at most so many keys from now on; those beyond stay until they are idle.
    pub(crate) fn bound(&self, max: u32) {
        self.max.store(max as usize, Ordering::Relaxed);
    }

    /// Uses the state of `key`, under the lock of its shard, so that it is not taken for idle meanwhile.
    pub(crate) fn with<R>(&self, key: u64, now: Nanos, act: impl FnOnce(&'static T) -> R) -> R {
        if let Some(state) = self.shard(key).get(&key) {
            return act(state);
        }
        let Some(state) = self.place(now) else { return act(self.overflow(now)) };
        let mut shard = self.shard(key);
        let held = *shard.entry(key).or_insert(state);
        if !std::ptr::eq(held, state) {
            // Another caller brought the same key in meanwhile.
            lock(&self.free).push(state);
        }
        act(held)
    }

    /// Visits every state that a key holds, and the one that is shared.
    pub(crate) fn each(&self, mut visit: impl FnMut(&'static T)) {
        for shard in &self.shards {
            lock(shard).values().for_each(|state| visit(state));
        }
        if let Some(overflow) = self.overflow.get() {
            visit(overflow);
        }
    }

    /// The same with those that no key holds, which a new key may get at any time.
    pub(crate) fn every(&self, mut visit: impl FnMut(&'static T)) {
        let free: Vec<&'static T> = lock(&self.free).clone();
        free.into_iter().for_each(&mut visit);
        self.each(visit);
    }

    /// A state for a new key.
    fn place(&self, now: Nanos) -> Option<&'static T> {
        let max = self.max.load(Ordering::Relaxed);
        let take = |made: usize| (made < max).then_some(made + 1);
        loop {
            let free = lock(&self.free).pop();
            if let Some(state) = free {
                state.reuse(now);
                return Some(state);
            }
            if self.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                return Some(Box::leak(Box::new((self.make)(now))));
            }
            if !self.sweep(now) {
                return None;
            }
        }
    }

    /// Takes their states from idle keys; false when that brought none.
    fn sweep(&self, now: Nanos) -> bool {
        let last = self.swept.load(Ordering::Relaxed);
        let due = last == 0 || now >= last.saturating_add(SWEEP_EVERY);
        if !due || self.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        let mut idle = Vec::new();
        for shard in &self.shards {
            lock(shard).retain(|_, state| {
                let keep = !state.is_idle(now);
                if !keep {
                    idle.push(*state);
                }
                keep
            });
        }
        let found = !idle.is_empty();
        lock(&self.free).append(&mut idle);
        found
    }

    #[cold]
    fn overflow(&self, now: Nanos) -> &'static T {
        if !self.overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                policy = self.name,
                keys = self.max.load(Ordering::Relaxed),
                "every key that a policy may hold is in use; further keys share one state"
            );
        }
        self.overflow.get_or_init(|| Box::leak(Box::new((self.make)(now))))
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, &'static T>> {
        lock(&self.shards[(key >> 60) as usize % SHARDS])
    }
}

/// Nothing that is done under these locks leaves them half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct State {
        busy: AtomicBool,
        begun: AtomicU64,
    }

    impl Reusable for State {
        fn is_idle(&self, _: Nanos) -> bool {
            !self.busy.load(Ordering::Relaxed)
        }

        fn reuse(&self, _: Nanos) {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn keyed(max: u32) -> Keyed<State> {
        Keyed::new("keyed", max, |_| State::default())
    }

    #[test]
    fn each_key_has_its_own_and_idle_ones_are_handed_on() {
        let keyed = keyed(2);
        let state = |key: u64, now| keyed.with(key, now, |state| state);
        let (one, two) = (state(1, 1), state(2, 1));
        assert!(!std::ptr::eq(one, two) && std::ptr::eq(one, state(1, 2)));
        one.busy.store(true, Ordering::Relaxed);
        let three = state(3, 2);
        assert!(std::ptr::eq(two, three), "the idle one is handed on");
        assert_eq!(three.begun.load(Ordering::Relaxed), 1, "and begins afresh");
        assert!(!keyed.shard(2).contains_key(&2));
        assert_eq!(keyed.made.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn when_none_is_idle_further_keys_share_one() {
        let keyed = keyed(1);
        let state = |key: u64, now| keyed.with(key, now, |state| state);
        let one = state(1, 1);
        one.busy.store(true, Ordering::Relaxed);
        let (two, three) = (state(2, 2), state(3, 2));
        assert!(std::ptr::eq(two, three) && !std::ptr::eq(one, two));
        let mut seen = 0;
        keyed.each(|_| seen += 1);
        assert_eq!(seen, 2);
    }
}

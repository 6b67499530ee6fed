//! One state for each key: of breakers and bulkheads.
//!
//! What was made for a key is never given back to the allocator, so that calls may hold on to it: a key that is idle leaves its
//! state to a new key, which begins afresh.

use std::sync::PoisonError;
use std::sync::atomic::AtomicBool as Flag;

use super::Owner;
use super::table::{Table, Value};
use crate::clock::Nanos;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, MutexGuard};

/// Buckets of each.
const MOST_BUCKETS: u32 = 32_768;

/// A state that one key may leave to another.
pub(crate) trait Reusable: Sized + 'static {
    /// Whether forgetting it changes nothing.
    fn is_idle(&self, now: Nanos) -> bool;
    /// Begins afresh.
    fn reuse(&self, now: Nanos);
}

impl<T: Reusable> Value for &'static T {
    fn is_idle(&self, now: Nanos) -> bool {
        T::is_idle(self, now)
    }
}

/// The states of at most `max` keys, and of buckets.
pub(crate) struct States<T: 'static> {
    name: &'static str,
    make: Box<dyn Fn(Nanos) -> T + Send + Sync>,
    table: Table<&'static T>,
    /// States that a key has left.
    free: Mutex<Vec<&'static T>>,
    overflowed: Flag,
}

impl<T: Reusable> States<T> {
    pub(crate) fn new(
        name: &'static str,
        max: u32,
        make: impl Fn(Nanos) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            make: Box::new(make),
            table: Table::new(max, MOST_BUCKETS),
            free: Mutex::default(),
            overflowed: Flag::new(false),
        }
    }

    /// Holds at most so many keys from now on; those beyond stay until they are idle.
    pub(crate) fn bound(&self, max: u32) {
        self.table.bound(max);
    }

    /// Uses the state of `key`, or of its bucket, so that it is not taken for idle meanwhile.
    pub(crate) fn with<R>(
        &self,
        key: u64,
        owner: impl FnOnce() -> Option<Owner>,
        now: Nanos,
        act: impl FnOnce(&'static T) -> R,
    ) -> R {
        let gone = |state| self.free().push(state);
        let (place, result) = self.table.with(key, owner, now, || self.fresh(now), gone, |state| act(state));
        if place.is_bucket {
            self.overflows();
        }
        result
    }

    /// Visits every state that is in use.
    pub(crate) fn each(&self, mut visit: impl FnMut(&'static T)) {
        self.table.each(|state| visit(state));
    }

    /// The same with those that no key holds, which a new key may get at any time.
    pub(crate) fn every(&self, mut visit: impl FnMut(&'static T)) {
        let free: Vec<&'static T> = self.free().clone();
        free.into_iter().for_each(&mut visit);
        self.each(visit);
    }

    fn fresh(&self, now: Nanos) -> &'static T {
        let left = self.free().pop();
        match left {
            Some(state) => {
                state.reuse(now);
                state
            }
            None => Box::leak(Box::new((self.make)(now))),
        }
    }

    /// Says once that keys share states.
    #[cold]
    fn overflows(&self) {
        if !self.overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                policy = self.name,
                keys = self.table.max(),
                "a policy holds as many keys as it may; further keys share states with others"
            );
        }
    }

    /// Nothing that is done under the lock leaves it half-written.
    fn free(&self) -> MutexGuard<'_, Vec<&'static T>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};

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

    fn states(max: u32) -> States<State> {
        States::new("keyed", max, |_| State::default())
    }

    #[test]
    fn each_key_has_its_own_and_idle_ones_are_handed_on() {
        let states = states(2);
        let state = |key: u64, now| states.with(key, || None, now, |state| state);
        let (one, two) = (state(1, 1), state(2, 1));
        assert!(!std::ptr::eq(one, two) && std::ptr::eq(one, state(1, 2)));
        one.busy.store(true, Ordering::Relaxed);
        let three = state(3, 2);
        assert!(std::ptr::eq(two, three), "the idle one is handed on");
        assert_eq!(three.begun.load(Ordering::Relaxed), 1, "and begins afresh");
        assert_eq!(one.begun.load(Ordering::Relaxed), 0);
        let (mut held, mut all) = (0, 0);
        states.each(|_| held += 1);
        states.every(|_| all += 1);
        assert_eq!((held, all), (2, 2));
    }

    #[test]
    fn another_bound_holds_at_once_and_what_nobody_holds_is_visited_by_one_of_the_two() {
        let states = states(1);
        let state = |key: u64, now| states.with(key, || None, now, |state| state);
        let one = state(1, 1);
        one.busy.store(true, Ordering::Relaxed);
        states.bound(2);
        let two = state(2, 1);
        two.busy.store(true, Ordering::Relaxed);
        assert!(!std::ptr::eq(state(3, 2), two), "the one is a key's, the other a bucket's");
        two.busy.store(false, Ordering::Relaxed);
        // Both are idle, and leave one state for the new key and one for nobody.
        state(4, 20_000_000);
        let (mut held, mut all) = (0, 0);
        states.each(|_| held += 1);
        states.every(|_| all += 1);
        assert_eq!((held, all), (2, 3));
    }

    #[test]
    fn when_none_is_idle_further_keys_share() {
        let states = states(1);
        let state = |key: u64, now| states.with(key, || None, now, |state| state);
        let one = state(1, 1);
        one.busy.store(true, Ordering::Relaxed);
        assert!(!states.overflowed.load(Ordering::Relaxed));
        let (two, three) = (state(2, 2), state(3, 2));
        assert!(std::ptr::eq(two, three) && !std::ptr::eq(one, two));
        assert!(states.overflowed.load(Ordering::Relaxed));
        let mut seen = 0;
        states.each(|_| seen += 1);
        assert_eq!(seen, 2);
    }
}

//! A bulkhead for each key.

use std::sync::{Arc, PoisonError};

use hardening_spec::BulkheadSpec;

use super::{Bulkhead, Entry};
use crate::clock::Nanos;
use crate::policy::account;
use crate::policy::keyed::{Reusable, States};
use crate::sync::Mutex;

/// The bulkheads of one call's keys.
pub(crate) struct KeyedBulkheads {
    bulkheads: States<Bulkhead>,
    /// What those that are made from now on are made of, `None` for no bound.
    spec: Arc<Mutex<Option<BulkheadSpec>>>,
    queues: bool,
}

impl KeyedBulkheads {
    pub(crate) fn new(name: &'static str, spec: BulkheadSpec) -> Self {
        let current = Arc::new(Mutex::new(Some(spec)));
        let made = Arc::clone(&current);
        let make = move |now| {
            let current = *made.lock().unwrap_or_else(PoisonError::into_inner);
            let bulkhead = Bulkhead::new(&current.unwrap_or(spec), now);
            bulkhead.tune(current.as_ref());
            bulkhead
        };
        Self { bulkheads: States::new(name, spec.max_keys, make), spec: current, queues: spec.queue > 0 }
    }

    /// Asks the bulkhead of a key for a place.
    pub(crate) fn enter(&self, key: u64, now: Nanos) -> (&'static Bulkhead, Entry) {
        self.bulkheads.with(key, account::current, now, |bulkhead| (bulkhead, bulkhead.enter()))
    }

    /// The bulkhead of a key.
    pub(crate) fn bulkhead(&self, key: u64, now: Nanos) -> &'static Bulkhead {
        self.bulkheads.with(key, account::current, now, |bulkhead| bulkhead)
    }

    pub(crate) fn tune(&self, spec: Option<&BulkheadSpec>) {
        *self.spec.lock().unwrap_or_else(PoisonError::into_inner) = spec.copied();
        if let Some(spec) = spec {
            self.bulkheads.bound(spec.max_keys);
        }
        self.bulkheads.every(|bulkhead| bulkhead.tune(spec));
    }

    pub(crate) const fn can_queue(&self) -> bool {
        self.queues
    }

    /// Forgets what latency has taught.
    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self, now: Nanos) {
        self.bulkheads.every(|bulkhead| bulkhead.restart(now));
    }

    /// Places of one key.
    #[cfg(feature = "testing")]
    pub(crate) fn places(&self, key: u64, now: Nanos) -> u32 {
        self.bulkheads.with(key, account::current, now, Bulkhead::max)
    }

    /// Places of one, callers inside and callers in the queue of all.
    pub(crate) fn occupancy(&self) -> (u32, u32, u32) {
        let places = self.spec.lock().unwrap_or_else(PoisonError::into_inner).map_or(0, |spec| spec.max);
        let mut sum = (places, 0, 0);
        self.bulkheads.each(|bulkhead| {
            sum = (sum.0, sum.1 + bulkhead.running(), sum.2 + bulkhead.waiting());
        });
        sum
    }
}

impl Reusable for Bulkhead {
    fn is_idle(&self, _: Nanos) -> bool {
        self.running() == 0 && self.waiting() == 0
    }

    fn reuse(&self, now: Nanos) {
        self.restart(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn spec(max: u32, queue: u32) -> BulkheadSpec {
        BulkheadSpec { queue, max_keys: 2, ..BulkheadSpec::new(max) }
    }

    #[test]
    fn each_key_has_its_places_and_all_are_counted() {
        let keyed = KeyedBulkheads::new("keyed", spec(2, 1));
        assert!(keyed.can_queue() && !KeyedBulkheads::new("keyed", spec(2, 0)).can_queue());
        let enter = |key| keyed.enter(key, SECOND).1;
        assert_eq!([1, 1, 1, 1].map(enter), [Entry::Entered, Entry::Entered, Entry::Queue, Entry::Full]);
        assert_eq!([2, 2].map(enter), [Entry::Entered, Entry::Entered]);
        assert_eq!(keyed.occupancy(), (2, 4, 1));
        // Neither is idle, so further keys get what is shared.
        assert_eq!([3, 5, 7].map(enter), [Entry::Entered, Entry::Entered, Entry::Queue]);
        assert_eq!(keyed.occupancy(), (2, 6, 2));
    }

    #[test]
    fn other_numbers_are_those_of_every_key_and_of_later_ones() {
        let keyed = KeyedBulkheads::new("keyed", spec(2, 0));
        let max = |key| keyed.enter(key, SECOND).0.max();
        assert_eq!(max(1), 2);
        keyed.tune(Some(&BulkheadSpec { max_keys: 3, ..spec(5, 0) }));
        assert_eq!(([1, 2].map(max), keyed.occupancy()), ([5, 5], (5, 3, 0)));
        assert_eq!(keyed.bulkheads.with(3, account::current, SECOND, Bulkhead::max), 5);
        keyed.tune(None);
        assert!([1, 3, 4].map(max).iter().all(|max| *max > 1_000_000), "switched off for all of them");
        assert_eq!(keyed.occupancy().0, 0);
    }

    #[test]
    fn a_bulkhead_is_handed_on_when_nobody_is_inside_or_waits() {
        let learning = BulkheadSpec { queue: 1, ..BulkheadSpec::adaptive().with_initial(1) };
        let bulkhead = Bulkhead::new(&learning, 0);
        assert!(bulkhead.is_idle(0));
        assert_eq!(bulkhead.enter(), Entry::Entered);
        assert!(!bulkhead.is_idle(0));
        assert_eq!(bulkhead.enter(), Entry::Queue);
        bulkhead.leave();
        assert!(!bulkhead.is_idle(0), "somebody waits");
        drop(bulkhead.queue());
        assert!(bulkhead.is_idle(0));
        // What was learnt is of the key before.
        assert_eq!(bulkhead.enter(), Entry::Entered);
        (0..10).for_each(|_| bulkhead.learn(SECOND, false, SECOND));
        assert_eq!(bulkhead.max(), 2);
        bulkhead.reuse(SECOND);
        assert_eq!(bulkhead.max(), 1);
        // One that is switched off stays so, and a fixed one is what it is.
        bulkhead.tune(None);
        let off = bulkhead.max();
        bulkhead.reuse(SECOND);
        assert_eq!(bulkhead.max(), off);
        let fixed = Bulkhead::new(&spec(3, 0), 0);
        fixed.reuse(SECOND);
        assert_eq!(fixed.max(), 3);
    }
}

//! A bulkhead for each key.

use std::sync::{Arc, PoisonError};

use hardening_spec::BulkheadSpec;

use super::{Bulkhead, Entry};
use crate::clock::Nanos;
use crate::policy::keyed::{Keyed, Reusable};
use crate::sync::Mutex;

/// The bulkheads of one call's keys.
pub(crate) struct KeyedBulkheads {
    bulkheads: Keyed<Bulkhead>,
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
        Self { bulkheads: Keyed::new(name, spec.max_keys, make), spec: current, queues: spec.queue > 0 }
    }

    /// Asks the bulkhead of a key for a place.
    pub(crate) fn enter(&self, key: u64, now: Nanos) -> (&'static Bulkhead, Entry) {
        self.bulkheads.with(key, now, |bulkhead| (bulkhead, bulkhead.enter()))
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
        self.bulkheads.with(key, now, Bulkhead::max)
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

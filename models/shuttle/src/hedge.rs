//! Executions side by side: their budget and their places, among calls of which some are cancelled.
//!
//! The race itself is one task's, and is tested on paused time.

use std::sync::Arc;
use std::time::Duration;

use hardening_spec::{After, BulkheadSpec, HedgeSpec, Ratio};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU64, Ordering};

use crate::policy::bulkhead::{Bulkhead, Entry};
use crate::policy::hedge::{Extra, Hedge};
use crate::{cancel, explore, together};

const PLACES: u32 = 2;

#[derive(Clone)]
struct World {
    hedge: Arc<Hedge>,
    bulkhead: Arc<Bulkhead>,
    calls: Arc<AtomicU64>,
}

/// A place in the bulkhead.
struct Place(Arc<Bulkhead>);

impl Place {
    fn taken(bulkhead: &Arc<Bulkhead>) -> Self {
        let place = Self(Arc::clone(bulkhead));
        assert!(bulkhead.running() <= PLACES, "more inside than there are places");
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl World {
    fn new() -> Self {
        let spec = HedgeSpec {
            budget: Ratio::percent(50),
            ..HedgeSpec::new(After::Duration(Duration::from_millis(1)))
        };
        Self {
            hedge: Arc::new(Hedge::new(&spec, 0)),
            bulkhead: Arc::new(Bulkhead::new(&BulkheadSpec { queue: 4, ..BulkheadSpec::new(PLACES) }, 0)),
            calls: Arc::default(),
        }
    }

    async fn call(self) -> bool {
        let _first = match self.bulkhead.enter() {
            Entry::Entered => Place::taken(&self.bulkhead),
            Entry::Queue => {
                self.bulkhead.queue().await;
                Place::taken(&self.bulkhead)
            }
            Entry::Full => return false,
        };
        self.hedge.budget().deposit(0);
        self.calls.fetch_add(1, Ordering::AcqRel);
        yield_now().await;
        let mut other = None;
        if self.hedge.budget().withdraw(0) {
            other = match self.bulkhead.enter() {
                Entry::Entered => Some(Place::taken(&self.bulkhead)),
                Entry::Queue => {
                    drop(self.bulkhead.queue());
                    None
                }
                Entry::Full => None,
            };
            self.hedge.count(if other.is_some() { Extra::Sent } else { Extra::Refused });
        } else {
            self.hedge.count(Extra::OverBudget);
        }
        yield_now().await;
        drop(other);
        true
    }
}

/// Whatever is cancelled where: extra executions stay within what was paid, and every place comes back.
pub fn i_31_extra_executions_stay_within_their_budget() {
    explore(|| {
        block_on(async {
            let world = World::new();
            let cancelled: Vec<_> = (0..2)
                .map(|_| cancel(spawn(world.clone().call()), thread_rng().gen_range(0..5)))
                .map(spawn)
                .collect();
            let called = together((0..3).map(|_| world.clone().call())).await;
            assert_eq!(called, [true; 3], "the queue has room for all");
            for task in cancelled {
                task.await.expect("cancelling does not panic");
            }
            let taken = world.hedge.counted(Extra::Sent) + world.hedge.counted(Extra::Refused);
            let calls = world.calls.load(Ordering::Acquire);
            assert!(taken <= calls / 2 + 1, "{taken} extra executions of {calls} calls");
            assert_eq!((world.bulkhead.running(), world.bulkhead.waiting()), (0, 0));
            let again: Vec<_> = (0..PLACES).map(|_| world.bulkhead.enter()).collect();
            assert!(again.iter().all(|entry| *entry == Entry::Entered), "a place was lost: {again:?}");
        });
    });
}

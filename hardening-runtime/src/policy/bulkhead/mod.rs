//! `#[bulkhead]`: a bound on concurrent executions, with a bounded first-come queue where one was asked for.

mod adaptive;
mod keyed;

use std::sync::PoisonError;

use hardening_spec::BulkheadSpec;
use tokio::sync::Semaphore;

pub use self::adaptive::{Adaptive, Sample};
pub(crate) use self::keyed::KeyedBulkheads;
use crate::clock::{NEVER, Nanos, nanos};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering, fence};
use crate::tunable::Tunable;

/// What a bulkhead says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A place was taken; it must be given back with [`Bulkhead::leave`].
    Entered,
    /// Wait with [`Bulkhead::queue`].
    Queue,
    /// No place, and none in the queue.
    Full,
}

/// One bulkhead.
#[derive(Debug)]
pub struct Bulkhead {
    max: Tunable,
    max_wait: Tunable,
    running: AtomicU32,
    queue: Option<Queue>,
    adaptive: Option<Adaptive>,
}

/// Waiting callers; tokio's semaphore is fair and loses no wake-up.
#[derive(Debug)]
struct Queue {
    places: Tunable,
    waiting: AtomicU32,
    free: Semaphore,
    /// Places that a lowered limit takes from those who leave.
    owed: AtomicU32,
    /// Held while the limit changes.
    changing: Mutex<()>,
}

/// More places than a process has callers: what a bulkhead that is switched off has.
const UNBOUNDED: u32 = u32::MAX >> 4;

impl Bulkhead {
    /// An empty bulkhead.
    pub fn new(spec: &BulkheadSpec, now: Nanos) -> Self {
        let adaptive = spec.adaptive.as_ref().map(|adaptive| Adaptive::new(adaptive, spec.max, now));
        let max = spec.adaptive.map_or(spec.max, |adaptive| adaptive.initial.clamp(1, spec.max.max(1)));
        Self {
            max: Tunable::new(max.into()),
            max_wait: Tunable::new(spec.max_wait.map_or(NEVER, nanos)),
            running: AtomicU32::new(0),
            queue: (spec.queue > 0).then(|| Queue {
                places: Tunable::new(spec.queue.into()),
                waiting: AtomicU32::new(0),
                free: Semaphore::new(max as usize),
                owed: AtomicU32::new(0),
                changing: Mutex::new(()),
            }),
            adaptive,
        }
    }

    /// Puts other numbers in force, `None` for no bound; who is inside stays. A bulkhead that was made without a queue gets
    /// none.
    pub fn tune(&self, spec: Option<&BulkheadSpec>) {
        let Some(spec) = spec else {
            self.limit(UNBOUNDED);
            return;
        };
        self.max_wait.set(spec.max_wait.map_or(NEVER, nanos));
        if let Some(queue) = &self.queue {
            queue.places.set(spec.queue.into());
        }
        match (&self.adaptive, &spec.adaptive) {
            (Some(adaptive), Some(bounds)) => self.limit(adaptive.bound(bounds, spec.max)),
            _ => self.limit(spec.max),
        }
    }

    /// Changes the number of places.
    fn limit(&self, max: u32) {
        let Some(queue) = &self.queue else {
            self.max.set(max.into());
            return;
        };
        let _one = queue.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.max.count();
        self.max.set(max.into());
        let more = max.saturating_sub(before);
        queue.free.add_permits((more - queue.pays_up_to(more)) as usize);
        queue.owed.fetch_add(before.saturating_sub(max), Ordering::AcqRel);
        // Free places pay at once, the others when they are left.
        fence(Ordering::SeqCst);
        queue.collect();
    }

    /// Learns from a body that ended, so that the limit follows; nothing for a fixed one.
    #[inline]
    pub fn learn(&self, took: Nanos, cut: bool, now: Nanos) {
        if let Some(adaptive) = &self.adaptive
            && let Some(limit) = adaptive.sample(Sample { took, running: self.running(), cut }, now)
            && self.max.count() != UNBOUNDED
            && limit != self.max.count()
        {
            self.limit(limit);
        }
    }

    /// Forgets what latency has taught; nothing for a fixed bound. Who is inside stays.
    pub(crate) fn restart(&self, now: Nanos) {
        if let Some(adaptive) = &self.adaptive
            && self.max.count() != UNBOUNDED
        {
            self.limit(adaptive.restart(now));
        }
    }

    /// Whether callers can wait.
    pub const fn can_queue(&self) -> bool {
        self.queue.is_some()
    }

    /// Places.
    pub fn max(&self) -> u32 {
        self.max.count()
    }

    /// The longest a caller may wait, [`NEVER`] for as long as its deadline allows.
    pub fn max_wait(&self) -> Nanos {
        self.max_wait.get()
    }

    /// Callers inside.
    pub fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Callers in the queue.
    pub fn waiting(&self) -> u32 {
        self.queue.as_ref().map_or(0, |queue| queue.waiting.load(Ordering::Relaxed))
    }

    /// Takes a place if one is free.
    #[inline(always)]
    pub fn enter(&self) -> Entry {
        let Some(queue) = &self.queue else {
            let mut running = self.running.load(Ordering::Relaxed);
            while u64::from(running) < self.max.get() {
                match self.running.compare_exchange_weak(
                    running,
                    running + 1,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Entry::Entered,
                    Err(changed) => running = changed,
                }
            }
            return Entry::Full;
        };
        // The semaphore hands a freed place to the longest waiting caller, so nobody overtakes here.
        let Ok(permit) = queue.free.try_acquire() else {
            let room = |waiting: u32| (u64::from(waiting) < queue.places.get()).then_some(waiting + 1);
            return match queue.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, room) {
                Ok(_) => Entry::Queue,
                Err(_) => Entry::Full,
            };
        };
        permit.forget();
        self.running.fetch_add(1, Ordering::AcqRel);
        Entry::Entered
    }

    /// Waits for a place after [`Entry::Queue`]; dropping the future leaves the queue.
    pub fn queue(&self) -> impl Future<Output = ()> + '_ {
        // Made now, so that a future dropped before its first poll leaves the queue as well.
        let queued = self.queue.as_ref().map(|queue| (queue, Queued(&queue.waiting)));
        async move {
            let Some((queue, _queued)) = queued else { return };
            if let Ok(permit) = queue.free.acquire().await {
                permit.forget();
                self.running.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Gives a place back.
    #[inline(always)]
    pub fn leave(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
        if let Some(queue) = &self.queue {
            queue.free_one();
        }
    }
}

impl Queue {
    /// Hands a place on, unless a lowered limit takes it.
    #[inline]
    fn free_one(&self) {
        if self.owed.load(Ordering::Acquire) == 0 || self.pays_up_to(1) == 0 {
            self.free.add_permits(1);
            // A limit that was lowered since the look above may have found nothing to take: either it sees this place,
            // or its debt is seen here.
            fence(Ordering::SeqCst);
            if self.owed.load(Ordering::Relaxed) != 0 {
                self.collect();
            }
        }
    }

    /// Pays what is owed with free places.
    #[cold]
    fn collect(&self) {
        loop {
            let free = self.free.forget_permits(self.owed.load(Ordering::Acquire) as usize);
            let free = u32::try_from(free).unwrap_or(u32::MAX);
            // Somebody who left meanwhile has paid already.
            self.free.add_permits((free - self.pays_up_to(free)) as usize);
            if free == 0 {
                break;
            }
        }
    }

    /// Pays what is owed with up to so many places; answers how many that took.
    fn pays_up_to(&self, places: u32) -> u32 {
        let pay = |owed: u32| Some(owed - owed.min(places));
        let before = self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, pay).unwrap_or(0);
        before.min(places)
    }
}

/// A place in the queue.
struct Queued<'q>(&'q AtomicU32);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

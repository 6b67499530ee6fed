//! `#[bulkhead]`: a bound on concurrent executions, with a bounded first-come queue where one was asked for.

use std::sync::atomic::{AtomicU32, Ordering};

use hardening_spec::BulkheadSpec;
use tokio::sync::Semaphore;

use crate::clock::{NEVER, Nanos, nanos};

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
    max: u32,
    max_wait: Nanos,
    running: AtomicU32,
    queue: Option<Queue>,
}

/// Waiting callers; tokio's semaphore is fair and loses no wake-up.
#[derive(Debug)]
struct Queue {
    places: u32,
    waiting: AtomicU32,
    free: Semaphore,
}

impl Bulkhead {
    /// An empty bulkhead.
    pub fn new(spec: &BulkheadSpec) -> Self {
        Self {
            max: spec.max,
            max_wait: spec.max_wait.map_or(NEVER, nanos),
            running: AtomicU32::new(0),
            queue: (spec.queue > 0).then(|| Queue {
                places: spec.queue,
                waiting: AtomicU32::new(0),
                free: Semaphore::new(spec.max as usize),
            }),
        }
    }

    /// Places.
    pub const fn max(&self) -> u32 {
        self.max
    }

    /// The longest a caller may wait, [`NEVER`] for as long as its deadline allows.
    pub const fn max_wait(&self) -> Nanos {
        self.max_wait
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
            while running < self.max {
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
            let room = |waiting: u32| (waiting < queue.places).then_some(waiting + 1);
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
            queue.free.add_permits(1);
        }
    }
}

/// A place in the queue.
struct Queued<'q>(&'q AtomicU32);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

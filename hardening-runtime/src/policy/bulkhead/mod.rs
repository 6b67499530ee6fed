//! `#[bulkhead]`: a bound on concurrent executions, with a bounded queue where one was asked for.
//!
//! One word counts the permits taken and the callers that wait, so that entering an idle bulkhead and leaving one in front of which
//! nobody waits are one atomic operation each.

mod adaptive;
mod keyed;
mod line;
mod queue;

use hardening_spec::BulkheadSpec;

pub use self::adaptive::{Adaptive, Sample};
pub(crate) use self::keyed::KeyedBulkheads;
use self::queue::Queue;
pub use self::queue::Queued;
use crate::clock::{NEVER, Nanos, nanos};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
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
    /// Below so many callers inside, a newcomer is only counted.
    plain: Tunable,
    /// So many newcomers more are not only counted: [`ALWAYS`] for all of them.
    exact: AtomicU32,
    max_wait: Tunable,
    /// Permits taken or offered in the lower half, callers that wait in the upper one.
    word: AtomicU64,
    queue: Option<Queue>,
    adaptive: Option<Adaptive>,
}

/// One caller that waits, in the word.
const WAITING: u64 = 1 << 32;

const fn running_of(word: u64) -> u64 {
    word & (WAITING - 1)
}

const fn waiting_of(word: u64) -> u64 {
    word >> 32
}

/// Where callers can wait, so many newcomers tell the calls inside them what they hold from the beginning, so that a function that
/// calls itself is known before its places become fewer.
const FIRST: u32 = 1000;
const ALWAYS: u32 = u32::MAX;

/// More places than a process has callers: what a bulkhead that is switched off has.
const UNBOUNDED: u32 = u32::MAX >> 4;

impl Bulkhead {
    /// An empty bulkhead.
    pub fn new(spec: &BulkheadSpec, now: Nanos) -> Self {
        let adaptive = spec.adaptive.as_ref().map(|adaptive| Adaptive::new(adaptive, spec.max, now));
        let max = spec.adaptive.map_or(spec.max, |adaptive| adaptive.initial.clamp(1, spec.max.max(1)));
        Self {
            max: Tunable::new(max.into()),
            plain: Tunable::new(if spec.queue > 0 { 0 } else { u64::from(max).saturating_sub(1) }),
            exact: AtomicU32::new(if spec.queue > 0 { FIRST } else { 0 }),
            max_wait: Tunable::new(spec.max_wait.map_or(NEVER, nanos)),
            word: AtomicU64::new(0),
            queue: (spec.queue > 0).then(|| Queue::new(spec.queue)),
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
            queue.length.set(spec.queue.into());
        }
        match (&self.adaptive, &spec.adaptive) {
            (Some(adaptive), Some(bounds)) => self.limit(adaptive.bound(bounds, spec.max)),
            _ => self.limit(spec.max),
        }
    }

    /// Changes the number of places. Those beyond a lower one are given to nobody when they are left.
    fn limit(&self, max: u32) {
        self.max.set(max.into());
        self.set_plain();
        if let Some(queue) = &self.queue {
            self.offer_free(queue);
        }
    }

    /// Has every newcomer enter by [`Bulkhead::enter`]: calls inside one another enter this bulkhead, so each must know what the others
    /// hold.
    pub(crate) fn enter_exactly(&self) {
        if self.exact.swap(ALWAYS, Ordering::AcqRel) != ALWAYS {
            self.set_plain();
        }
    }

    /// A newcomer has told the calls inside it what it holds. None of the [`FIRST`] made a call through this bulkhead: the next ones
    /// are only counted while there are places.
    pub(crate) fn entered_exactly(&self) {
        let fewer = |left: u32| (left != ALWAYS).then(|| left.checked_sub(1)).flatten();
        if self.exact.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer) == Ok(1) {
            self.set_plain();
        }
    }

    fn set_plain(&self) {
        let is_exact = || self.exact.load(Ordering::Acquire) > 0;
        loop {
            let exact = is_exact();
            self.plain.set(if exact { 0 } else { self.max.get().saturating_sub(1) });
            // Another thread may have seen a nested call meanwhile.
            if exact == is_exact() {
                return;
            }
        }
    }

    /// Whether a caller that has just entered must tell the calls inside it: they may find no place of their own.
    pub(crate) fn is_tight(&self) -> bool {
        running_of(self.word.load(Ordering::Relaxed)) > self.plain.get()
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

    /// Callers inside, and those that were offered a place.
    pub fn running(&self) -> u32 {
        // Half of the word.
        running_of(self.word.load(Ordering::Relaxed)) as u32
    }

    /// Callers in the queue.
    pub fn waiting(&self) -> u32 {
        waiting_of(self.word.load(Ordering::Relaxed)) as u32
    }

    /// Takes a place that is not the last one, if there is one.
    #[inline(always)]
    pub(crate) fn enter_plainly(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word < self.plain.get() {
            match self.word.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    /// Takes a place if one is free.
    pub fn enter(&self) -> Entry {
        // Below the bound only where nobody waits: a newcomer overtakes no one.
        let mut word = self.word.load(Ordering::Relaxed);
        while word < self.max.get() {
            match self.word.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Entry::Entered,
                Err(changed) => word = changed,
            }
        }
        match &self.queue {
            None => Entry::Full,
            Some(queue) => self.enter_line(queue),
        }
    }

    /// Takes a place whether one is free or not: its caller is inside already.
    #[cold]
    pub(crate) fn crowd(&self) {
        self.word.fetch_add(1, Ordering::AcqRel);
    }

    /// Gives a place back.
    #[inline(always)]
    pub fn leave(&self) {
        let before = self.word.fetch_sub(1, Ordering::AcqRel);
        if waiting_of(before) != 0
            && let Some(queue) = &self.queue
        {
            self.offer_free(queue);
        }
    }

    /// Changes the word as long as `change` agrees.
    fn change(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).is_ok()
    }
}

#[cfg(test)]
mod tests;

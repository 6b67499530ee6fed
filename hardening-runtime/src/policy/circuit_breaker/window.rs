//! Outcomes of the recent past, counted in atomics: a ring of buckets in time, or of single calls.
//!
//! Every word carries bits of the breaker's generation, so an outcome of an earlier generation that arrives
//! late finds nothing to add itself to.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use hardening_spec::Window as Spec;

use crate::clock::{Nanos, nanos};

/// Buckets of a time window, a power of two; an event leaves it between W - W/16 and W after it came.
const BUCKETS: usize = 16;

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

/// One outcome as a window counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

/// Outcomes of the recent past.
#[derive(Debug)]
pub(crate) enum Window {
    Time(TimeWindow),
    Calls(CallWindow),
}

impl Window {
    pub(crate) fn new(spec: Spec, now: Nanos) -> Self {
        match spec {
            Spec::Time(width) => Self::Time(TimeWindow::new(nanos(width), now)),
            Spec::Calls(calls) => Self::Calls(CallWindow::new(calls)),
        }
    }

    /// Counts an event; answers what the window holds when that could open a circuit.
    #[inline(always)]
    pub(crate) fn record(&self, generation: u32, now: Nanos, event: Event) -> Option<Counts> {
        match self {
            Self::Time(window) => window.record(generation, now, event),
            Self::Calls(window) => window.record(generation, event),
        }
    }

    pub(crate) fn counts(&self, generation: u32, now: Nanos) -> Counts {
        match self {
            Self::Time(window) => window.counts(generation, now),
            Self::Calls(window) => {
                let fields = Fields::unpack(window.totals.load(Ordering::Acquire));
                let part = |part: u16| if part <= fields.calls { part } else { 0 };
                Fields { failed: part(fields.failed), slow: part(fields.slow), ..fields }.counts()
            }
        }
    }

    /// Empties the window for `generation`.
    pub(crate) fn clear(&self, generation: u32) {
        match self {
            Self::Time(window) => window.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Release)),
            Self::Calls(window) => {
                let empty = Fields { tag: generation as u16, ..Fields::default() };
                window.totals.store(empty.pack(), Ordering::Release);
            }
        }
    }
}

const ONE_CALL: u64 = 1 << 16;
/// The low half of a word in which the calls are full is at least this.
const CALLS_FULL: u32 = 0xFFFF << 16;

/// Four 16-bit numbers in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields {
    tag: u16,
    calls: u16,
    failed: u16,
    slow: u16,
}

impl Fields {
    #[inline(always)]
    const fn pack(self) -> u64 {
        self.tag as u64
            | ((self.calls as u64) << 16)
            | ((self.failed as u64) << 32)
            | ((self.slow as u64) << 48)
    }

    #[inline(always)]
    const fn unpack(bits: u64) -> Self {
        Self {
            tag: bits as u16,
            calls: (bits >> 16) as u16,
            failed: (bits >> 32) as u16,
            slow: (bits >> 48) as u16,
        }
    }

    /// Adds an event; numbers that are full are halved first, which keeps their shares.
    #[inline(always)]
    fn add(self, event: Event) -> Self {
        let mut sum = self;
        if sum.calls == u16::MAX {
            (sum.calls, sum.failed, sum.slow) = (sum.calls / 2, sum.failed / 2, sum.slow / 2);
        }
        sum.calls += 1;
        sum.failed += u16::from(event.failed);
        sum.slow += u16::from(event.slow);
        sum
    }

    /// `bits` with an event added; numbers of another tag are forgotten.
    #[inline(always)]
    fn added(bits: u64, tag: u16, event: Event) -> u64 {
        if bits as u16 == tag && (bits as u32) < CALLS_FULL {
            return bits + ONE_CALL + (u64::from(event.failed) << 32) + (u64::from(event.slow) << 48);
        }
        let fields = Self::unpack(bits);
        let kept = if fields.tag == tag { fields } else { Self { tag, ..Self::default() } };
        kept.add(event).pack()
    }

    /// Whether the parts are parts of the calls.
    #[inline]
    const fn is_whole(self) -> bool {
        self.failed <= self.calls && self.slow <= self.calls
    }

    fn counts(self) -> Counts {
        Counts { calls: self.calls.into(), failed: self.failed.into(), slow: self.slow.into() }
    }
}

/// A ring of [`BUCKETS`] buckets.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    /// Buckets are aligned to this moment.
    origin: Nanos,
    /// The width of one bucket.
    width: NonZeroU64,
    /// The last bucket that was written, counted from the origin.
    last: AtomicU64,
    /// Until then the window may hold failed or slow calls; while it holds none, nothing can trip.
    doubtful_until: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl TimeWindow {
    fn new(width: Nanos, now: Nanos) -> Self {
        Self {
            origin: now,
            width: NonZeroU64::new(width / BUCKETS as u64).unwrap_or(NonZeroU64::MIN),
            last: AtomicU64::new(0),
            doubtful_until: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    #[inline(always)]
    fn epoch(&self, now: Nanos) -> u64 {
        now.saturating_sub(self.origin) / self.width
    }

    /// Which lap of the ring, and which generation, a bucket's numbers belong to; never 0, which is "empty".
    #[inline(always)]
    const fn tag(generation: u32, epoch: u64) -> u16 {
        0x8000 | ((generation as u16 & 0x7F) << 8) | ((epoch / BUCKETS as u64) as u16 & 0xFF)
    }

    #[inline(always)]
    fn record(&self, generation: u32, now: Nanos, event: Event) -> Option<Counts> {
        // Whether the last bucket is still the one: a product costs less than a quotient.
        let mut epoch = self.last.load(Ordering::Relaxed);
        let since = now.wrapping_sub(self.origin).wrapping_sub(epoch.wrapping_mul(self.width.get()));
        if since >= self.width.get() {
            let last = epoch;
            epoch = self.epoch(now);
            if epoch != last && !self.turn_to(generation, last, epoch) {
                return None;
            }
        }
        let tag = Self::tag(generation, epoch);
        let bucket = &self.buckets[(epoch % BUCKETS as u64) as usize];
        let mut bits = bucket.load(Ordering::Relaxed);
        loop {
            let next = Fields::added(bits, tag, event);
            match bucket.compare_exchange_weak(bits, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(changed) => bits = changed,
            }
        }
        if event.failed || event.slow {
            let until = now.saturating_add(self.width.get().saturating_mul(BUCKETS as u64 + 1));
            self.doubtful_until.fetch_max(until, Ordering::AcqRel);
        } else if now >= self.doubtful_until.load(Ordering::Acquire) {
            return None;
        }
        Some(self.counts(generation, now))
    }

    /// Turns the ring to `epoch`, emptying what has left the window; false for an event from too long ago.
    #[cold]
    fn turn_to(&self, generation: u32, last: u64, epoch: u64) -> bool {
        if epoch < last {
            // A clock read before another thread's: its bucket is still there unless a whole lap went by.
            return last - epoch < BUCKETS as u64;
        }
        if self.last.fetch_max(epoch, Ordering::AcqRel) >= epoch {
            return true;
        }
        let lapped = epoch - last >= BUCKETS as u64;
        for (at, bucket) in self.buckets.iter().enumerate() {
            let bits = bucket.load(Ordering::Acquire);
            let live = Fields::unpack(bits).tag == Self::tag(generation, Self::epoch_at(epoch, at));
            if bits != 0 && (lapped || !live) {
                let _ = bucket.compare_exchange(bits, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        true
    }

    /// The epoch that the bucket at `at` holds when `epoch` is the newest one.
    const fn epoch_at(epoch: u64, at: usize) -> u64 {
        // A wrapped difference is right as well: a lap divides the numbers that there are.
        let behind = epoch.wrapping_sub(at as u64) % BUCKETS as u64;
        epoch.saturating_sub(behind)
    }

    fn counts(&self, generation: u32, now: Nanos) -> Counts {
        let epoch = self.epoch(now);
        let last = self.last.load(Ordering::Acquire);
        if epoch.saturating_sub(last) >= BUCKETS as u64 {
            return Counts::default();
        }
        let mut sum = Counts::default();
        for (at, bucket) in self.buckets.iter().enumerate() {
            let held = Self::epoch_at(epoch, at);
            let fields = Fields::unpack(bucket.load(Ordering::Acquire));
            if fields.tag == Self::tag(generation, held) && held % BUCKETS as u64 == at as u64 {
                sum.calls += u64::from(fields.calls);
                sum.failed += u64::from(fields.failed);
                sum.slow += u64::from(fields.slow);
            }
        }
        sum
    }
}

/// A ring of the last n calls.
#[derive(Debug)]
pub(crate) struct CallWindow {
    /// Generation, and the event in the low bits; 0 is empty.
    slots: Box<[AtomicU64]>,
    cursor: AtomicU64,
    totals: AtomicU64,
}

const USED: u64 = 1;
const FAILED: u64 = 2;
const SLOW: u64 = 4;

impl CallWindow {
    fn new(calls: u32) -> Self {
        Self {
            slots: (0..calls.max(1)).map(|_| AtomicU64::new(0)).collect(),
            cursor: AtomicU64::new(0),
            totals: AtomicU64::new(0),
        }
    }

    fn record(&self, generation: u32, event: Event) -> Option<Counts> {
        self.add(generation, self.replace(generation, event), event)
    }

    /// Puts an event into its slot; answers what it replaces there.
    #[inline]
    fn replace(&self, generation: u32, event: Event) -> u64 {
        let at = self.cursor.fetch_add(1, Ordering::Relaxed) % self.slots.len() as u64;
        let new = (u64::from(generation) << 3)
            | USED
            | if event.failed { FAILED } else { 0 }
            | if event.slow { SLOW } else { 0 };
        let old = self.slots[at as usize].swap(new, Ordering::AcqRel);
        if old & USED != 0 && old >> 3 == u64::from(generation) { old } else { 0 }
    }

    /// Adds an event to the totals, and takes away what it replaced. That may be an event whose thread has not
    /// added it yet: the totals then wrap below zero, and judge nothing, until it has.
    #[inline]
    fn add(&self, generation: u32, old: u64, event: Event) -> Option<Counts> {
        let mut bits = self.totals.load(Ordering::Acquire);
        loop {
            let mut fields = Fields::unpack(bits);
            if fields.tag != generation as u16 {
                return None;
            }
            let changed =
                |total: u16, gone: bool, new: bool| total.wrapping_sub(gone.into()).wrapping_add(new.into());
            fields.calls = changed(fields.calls, old & USED != 0, true);
            fields.failed = changed(fields.failed, old & FAILED != 0, event.failed);
            fields.slow = changed(fields.slow, old & SLOW != 0, event.slow);
            match self.totals.compare_exchange_weak(bits, fields.pack(), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return fields.is_whole().then(|| fields.counts()),
                Err(changed) => bits = changed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_may_be_replaced_before_it_is_added() {
        let window = CallWindow::new(2);
        let event = |failed| Event { failed, slow: failed };
        assert_eq!(window.record(0, event(false)), Some(Counts { calls: 1, failed: 0, slow: 0 }));
        // A slow thread has put its failure into a slot; two others go round the ring before it adds it.
        let replaced = window.replace(0, event(true));
        assert_eq!(window.record(0, event(false)), Some(Counts { calls: 1, failed: 0, slow: 0 }));
        assert_eq!(
            window.record(0, event(false)),
            None,
            "the totals are short of a failure that is already gone"
        );
        assert_eq!(window.add(0, replaced, event(true)), Some(Counts { calls: 2, failed: 0, slow: 0 }));
    }
}

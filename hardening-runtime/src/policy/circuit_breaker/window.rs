//! Outcomes of the recent past, counted in atomics: a ring of buckets in time, or of single calls.
//!
//! Every word carries bits of the breaker's generation, so an outcome of an earlier generation that arrives
//! late finds nothing to add itself to.

mod calls;

use std::sync::OnceLock;

use hardening_spec::Window as Spec;

use self::calls::CallWindow;

use crate::clock::{Nanos, nanos};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tunable::Tunable;

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

/// Outcomes of the recent past: of so much time, or of so many calls.
#[derive(Debug)]
pub(crate) struct Window {
    time: TimeWindow,
    calls: OnceLock<Box<CallWindow>>,
}

impl Window {
    pub(crate) fn new(spec: Spec, now: Nanos) -> Self {
        let (width, length) = match spec {
            Spec::Time(width) => (TimeWindow::bucket(nanos(width)), 0),
            Spec::Calls(calls) => (0, calls.max(1)),
        };
        let calls = OnceLock::new();
        if length > 0 {
            calls.get_or_init(|| Box::new(CallWindow::new(length)));
        }
        Self { time: TimeWindow::new(width, now), calls }
    }

    /// Looks back on something else from now on, and begins with nothing.
    pub(crate) fn tune(&self, spec: Spec, generation: u32) {
        match spec {
            Spec::Time(width) => {
                let width = TimeWindow::bucket(nanos(width));
                if self.time.width.get() == width {
                    return;
                }
                self.time.width.set(width);
            }
            Spec::Calls(calls) => {
                let calls = calls.max(1);
                let window = self.calls.get_or_init(|| Box::new(CallWindow::new(calls)));
                if self.time.width.get() == 0 && window.length.count() == calls {
                    return;
                }
                window.resize(calls);
                self.time.width.set(0);
            }
        }
        self.clear(generation);
    }

    /// Counts an event; answers what the window holds when that could open a circuit.
    #[inline(always)]
    pub(crate) fn record(&self, generation: u32, now: Nanos, event: Event) -> Option<Counts> {
        let width = self.time.width.get();
        // Whether the last bucket is still the one: a product costs less than a quotient. A window of calls has no width.
        let last = self.time.last.load(Ordering::Relaxed);
        let since = now.wrapping_sub(self.time.origin).wrapping_sub(last.wrapping_mul(width));
        if since < width {
            return self.time.record(generation, last, now, event);
        }
        self.record_elsewhere(generation, now, event)
    }

    #[cold]
    fn record_elsewhere(&self, generation: u32, now: Nanos, event: Event) -> Option<Counts> {
        if self.time.width.get() == 0 {
            return self.calls.get()?.record(generation, event);
        }
        let (last, epoch) = (self.time.last.load(Ordering::Relaxed), self.time.epoch(now));
        if !self.time.turn_to(generation, last, epoch) {
            return None;
        }
        self.time.record(generation, epoch, now, event)
    }

    pub(crate) fn counts(&self, generation: u32, now: Nanos) -> Counts {
        if self.time.width.get() != 0 {
            return self.time.counts(generation, now);
        }
        self.calls.get().map_or(Counts::default(), |window| window.counts())
    }

    /// Empties the window for `generation`.
    pub(crate) fn clear(&self, generation: u32) {
        self.time.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Release));
        if let Some(calls) = self.calls.get() {
            calls.clear(generation);
        }
    }

    /// Begins at `now`, whatever was before: the clock of another test may have been ahead.
    #[cfg(feature = "testing")]
    pub(super) fn restart(&self, now: Nanos) {
        let epoch = if self.time.width.get() == 0 { 0 } else { self.time.epoch(now) };
        self.time.last.store(epoch, Ordering::Release);
        self.time.doubtful_until.store(0, Ordering::Release);
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
    /// The width of one bucket, 0 while the window is one of calls.
    width: Tunable,
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
            width: Tunable::new(width),
            last: AtomicU64::new(0),
            doubtful_until: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The width of one bucket of a window.
    const fn bucket(width: Nanos) -> Nanos {
        match width / BUCKETS as u64 {
            0 => 1,
            width => width,
        }
    }

    #[inline(always)]
    fn epoch(&self, now: Nanos) -> u64 {
        now.saturating_sub(self.origin) / self.width.get().max(1)
    }

    /// Which lap of the ring, and which generation, a bucket's numbers belong to; never 0, which is "empty". Seven bits of
    /// the generation have room.
    #[inline(always)]
    const fn tag(generation: u32, epoch: u64) -> u16 {
        0x8000 | ((generation as u16) << 8) | ((epoch / BUCKETS as u64) as u16 & 0xFF)
    }

    #[inline(always)]
    fn record(&self, generation: u32, epoch: u64, now: Nanos, event: Event) -> Option<Counts> {
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
            let until = now.saturating_add(self.width.get().saturating_mul(BUCKETS as u64));
            self.doubtful_until.fetch_max(until, Ordering::AcqRel);
        } else if now >= self.doubtful_until.load(Ordering::Acquire) {
            return None;
        }
        Some(self.counts(generation, now))
    }

    /// Turns the ring to `epoch`, emptying what has left the window; false for an event from too long ago.
    #[cold]
    fn turn_to(&self, generation: u32, last: u64, epoch: u64) -> bool {
        if let Some(late) = last.checked_sub(epoch) {
            // A clock read before another thread's: its bucket is still there unless a whole lap went by.
            return late < BUCKETS as u64;
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
        assert_eq!(window.counts(), Counts { calls: 1, failed: 0, slow: 0 }, "less than none is none");
        assert_eq!(window.add(0, replaced, event(true)), Some(Counts { calls: 2, failed: 0, slow: 0 }));
    }

    #[test]
    fn what_is_more_than_the_calls_is_no_part_of_them() {
        for (failed, slow, whole) in [(0, 0, true), (2, 2, true), (3, 2, false), (2, 3, false), (3, 3, false)]
        {
            assert_eq!(
                Fields { tag: 0, calls: 2, failed, slow }.is_whole(),
                whole,
                "{failed} and {slow} of 2"
            );
        }
    }

    #[test]
    fn outcomes_of_another_generation_find_nothing_to_add_themselves_to() {
        let failure = Event { failed: true, slow: false };
        for spec in [Spec::secs(16), Spec::Calls(10), Spec::Calls(1)] {
            for (before, generation) in (0..127).map(|before| (before, before + 1)) {
                let window = Window::new(spec, 0);
                window.clear(before);
                window.record(before, 5, failure);
                assert_eq!(window.counts(before, 5).calls, 1);
                window.clear(generation);
                window.record(before, 5, failure);
                assert_eq!(window.counts(generation, 5), Counts::default(), "{spec:?}: {before}");
                window.record(generation, 5, failure);
                assert_eq!(window.counts(generation, 5), Counts { calls: 1, failed: 1, slow: 0 });
            }
        }
    }

    #[test]
    fn a_bucket_s_tag_tells_generations_and_laps_apart_and_is_never_nothing() {
        let mut tags: Vec<u16> = Vec::new();
        for generation in 0..128 {
            tags.extend((0..256).map(|lap| TimeWindow::tag(generation, lap * BUCKETS as u64 + 7)));
        }
        tags.sort_unstable();
        tags.dedup();
        assert_eq!((tags[0], tags.len()), (0x8000, 1 << 15));
        assert_eq!(TimeWindow::tag(128, 256 * BUCKETS as u64), TimeWindow::tag(0, 0));
    }
}

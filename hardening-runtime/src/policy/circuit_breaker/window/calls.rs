//! The last n calls.

use std::sync::OnceLock;

use super::{Counts, Event, Fields};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tunable::Tunable;

/// A ring of the last n calls.
#[derive(Debug)]
pub(super) struct CallWindow {
    /// Generation, and the event in the low bits; 0 is empty. The ring in use is the shortest one that holds `length`; a
    /// longer one is made when the window grows beyond it.
    rings: [OnceLock<Box<[AtomicU64]>>; RINGS],
    pub(super) length: Tunable,
    cursor: AtomicU64,
    totals: AtomicU64,
}

/// One ring for each power of two that a length may have.
const RINGS: usize = 17;

const USED: u64 = 1;
const FAILED: u64 = 2;
const SLOW: u64 = 4;

impl CallWindow {
    pub(super) fn new(calls: u32) -> Self {
        let window = Self {
            rings: std::array::from_fn(|_| OnceLock::new()),
            length: Tunable::new(1),
            cursor: AtomicU64::new(0),
            totals: AtomicU64::new(0),
        };
        window.resize(calls);
        window
    }

    pub(super) fn resize(&self, calls: u32) {
        // What it holds is counted in 16 bits.
        self.length.set(calls.clamp(1, u16::MAX.into()).into());
        self.slots();
    }

    /// The first slots of the ring in use.
    fn slots(&self) -> &[AtomicU64] {
        let length = self.length.get();
        let at = length.next_power_of_two().trailing_zeros() as usize;
        let ring = self.rings[at].get_or_init(|| (0..1 << at).map(|_| AtomicU64::new(0)).collect());
        &ring[..ring.len().min(length as usize)]
    }

    pub(super) fn counts(&self) -> Counts {
        let fields = Fields::unpack(self.totals.load(Ordering::Acquire));
        let part = |part: u16| if part <= fields.calls { part } else { 0 };
        Fields { failed: part(fields.failed), slow: part(fields.slow), ..fields }.counts()
    }

    pub(super) fn clear(&self, generation: u32) {
        self.slots().iter().for_each(|slot| slot.store(0, Ordering::Release));
        let empty = Fields { tag: generation as u16, ..Fields::default() };
        // A swap comes behind every addition that was made before, for every reader.
        self.totals.swap(empty.pack(), Ordering::AcqRel);
    }

    pub(super) fn record(&self, generation: u32, event: Event) -> Option<Counts> {
        self.add(generation, self.replace(generation, event), event)
    }

    /// Puts an event into its slot; answers what it replaces there.
    #[inline]
    pub(super) fn replace(&self, generation: u32, event: Event) -> u64 {
        let slots = self.slots();
        let at = self.cursor.fetch_add(1, Ordering::Relaxed) % slots.len() as u64;
        let new = (u64::from(generation) << 3)
            | USED
            | if event.failed { FAILED } else { 0 }
            | if event.slow { SLOW } else { 0 };
        let old = slots[at as usize].swap(new, Ordering::AcqRel);
        // An empty slot is 0 whatever its generation.
        if old >> 3 == u64::from(generation) { old } else { 0 }
    }

    /// Adds an event to the totals, and takes away what it replaced. That may be an event whose thread has not
    /// added it yet: the totals then wrap below zero, and judge nothing, until it has.
    #[inline]
    pub(super) fn add(&self, generation: u32, old: u64, event: Event) -> Option<Counts> {
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

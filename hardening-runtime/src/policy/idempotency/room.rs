//! The bound on the size of all answers that are kept.

use hardening_spec::IdempotentSpec;

use super::shares::share;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tunable::Tunable;

/// What a key takes besides its answer: its entry, its place in the map, and the answer's own counters.
pub(super) const OF_KEY: u64 = 160;

/// Bytes in use, and how many there may be.
#[derive(Debug, Default)]
pub(super) struct Room {
    held: AtomicU64,
    max: Tunable,
}

impl Room {
    pub(super) fn tune(&self, spec: &IdempotentSpec) {
        self.max.set(spec.max_bytes.unwrap_or(u64::MAX));
    }

    pub(super) fn has(&self, bytes: u64) -> bool {
        self.held.load(Ordering::Relaxed).saturating_add(bytes) <= self.max.get()
    }

    /// Takes so many bytes, if there are so many.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let more = |held: u64| held.checked_add(bytes).filter(|held| *held <= self.max.get());
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How much one owner may take.
    pub(super) fn share(&self) -> u64 {
        share(self.max.get(), self.held())
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

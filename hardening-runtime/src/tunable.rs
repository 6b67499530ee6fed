//! Numbers that settings change while calls read them.
//!
//! A policy reads each of its numbers where it needs it, so a change takes effect with the next decision, and the state
//! of the policy stays. A relaxed load of a number costs what a plain one does.

use std::sync::atomic::{AtomicU64, Ordering};

use hardening_spec::Ratio;

/// A number.
#[derive(Debug, Default)]
pub(crate) struct Tunable(AtomicU64);

impl Tunable {
    pub(crate) const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number as a ratio in millionths.
    #[inline]
    pub(crate) fn ratio(&self) -> Ratio {
        Ratio::millionths(self.count())
    }

    /// The number as a count.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.get()).unwrap_or(u32::MAX)
    }
}

//! A budget: retries as a share of calls, so that an outage is not answered with a storm.
//!
//! Each call deposits its share, each retry takes one whole token. A small floor refills with time, so that a
//! call that is made once an hour may still be repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hardening_spec::{Rate, Ratio};

use super::super::rate_limit::{Arrival, Gcra};
use crate::clock::Nanos;

/// One retry in the smallest units.
const TOKEN: u64 = 1_000_000;
/// Deposits of quiet times are kept up to so many retries.
const MOST: u64 = 100 * TOKEN;
/// The floor: three retries a second, of which thirty may come at once.
const FLOOR: Rate = Rate::new(3, Duration::from_secs(1));
const FLOOR_BURST: u32 = 30;

/// The retries that one call site may still make.
#[derive(Debug)]
pub struct Budget {
    share: u64,
    saved: AtomicU64,
    floor: Gcra,
    floor_tat: AtomicU64,
}

impl Budget {
    /// A budget of `share` retries for each call, with a full floor and nothing saved.
    pub fn new(share: Ratio) -> Self {
        Self {
            share: u64::from(share.millionths),
            saved: AtomicU64::new(0),
            floor: Gcra::new(FLOOR, FLOOR_BURST),
            floor_tat: AtomicU64::new(0),
        }
    }

    /// Pays for one call.
    #[inline(always)]
    pub fn deposit(&self) {
        let saved = self.saved.load(Ordering::Relaxed);
        if saved < MOST {
            self.saved.fetch_add(self.share.min(MOST - saved), Ordering::Relaxed);
        }
    }

    /// Takes one retry; false when there is none.
    pub fn withdraw(&self, now: Nanos) -> bool {
        let take = |saved: u64| saved.checked_sub(TOKEN);
        if self.saved.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
            return true;
        }
        let take = |tat: u64| match self.floor.decide(tat, now, 1, 0) {
            Arrival::Conforms { tat, .. } => Some(tat),
            Arrival::Exceeds { .. } => None,
        };
        self.floor_tat.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    /// Whole retries left.
    pub fn left(&self, now: Nanos) -> u64 {
        let floor = self.floor.remaining(self.floor_tat.load(Ordering::Acquire), now);
        self.saved.load(Ordering::Relaxed) / TOKEN + u64::from(floor)
    }
}

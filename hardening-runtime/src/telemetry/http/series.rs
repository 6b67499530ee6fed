//! What one method of one route counts.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use http::StatusCode;

use crate::telemetry::histogram::Histogram;

/// Statuses of one method of one route with series of their own; all further ones share one.
pub(super) const STATUSES: u32 = 24;

/// One method of one route.
#[derive(Debug)]
pub(super) struct Series {
    /// By status, from 100.
    pub(super) statuses: [AtomicU64; 500],
    /// How many of them are not zero.
    kinds: AtomicU32,
    /// Answers with a status that there was no room for.
    pub(super) others: AtomicU64,
    pub(super) durations: Histogram,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; 500],
            kinds: AtomicU32::new(0),
            others: AtomicU64::new(0),
            durations: Histogram::default(),
        }
    }
}

impl Series {
    /// Counts one answer under its status, or with others once there are [`STATUSES`].
    pub(super) fn count(&self, status: StatusCode) {
        let Some(count) = self.statuses.get(usize::from(status.as_u16()).saturating_sub(100)) else {
            self.others.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if count.load(Ordering::Relaxed) > 0 {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let room = |kinds: u32| (kinds < STATUSES).then_some(kinds + 1);
        if self.kinds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            self.others.fetch_add(1, Ordering::Relaxed);
        } else if count.fetch_add(1, Ordering::Relaxed) > 0 {
            // Another thread has taken a place for the same status.
            self.kinds.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

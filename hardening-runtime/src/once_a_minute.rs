//! What is said at most once a minute, however often it happens.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Nanos;

const MINUTE: Nanos = 60_000_000_000;

/// When it may be said again.
#[derive(Debug, Default)]
pub(crate) struct OnceAMinute {
    due: AtomicU64,
}

impl OnceAMinute {
    /// It may be said at once.
    #[cfg(feature = "service")]
    pub(crate) const fn new() -> Self {
        Self { due: AtomicU64::new(0) }
    }

    /// Whether it is to be said now, by whoever asks first.
    pub(crate) fn is_due(&self, now: Nanos) -> bool {
        let (due, next) = (self.due.load(Ordering::Relaxed), now.saturating_add(MINUTE));
        now >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_minute() {
        let warning = OnceAMinute::default();
        let due = [0, 1, MINUTE - 1, MINUTE, MINUTE + 1, 3 * MINUTE].map(|now| warning.is_due(now));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}

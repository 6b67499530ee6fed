//! Whether a request is worked on: one whose handler waits for its client's body is nobody's work meanwhile.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::clock::Nanos;

/// It counts among those that are worked on.
const SEATED: u8 = 1;
/// Its handler waits for more of its body.
const AWAY: u8 = 2;

/// Where one request stands.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: AtomicU8,
    /// Since when it is away, and for how long it was before.
    since: AtomicU64,
    waited: AtomicU64,
}

/// What has changed for a request that went away, or has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Whether it has a place among those that are worked on, which it leaves or takes again.
    pub(crate) seated: bool,
}

impl Seat {
    /// It has a place among those that are worked on.
    pub(super) fn take(&self) {
        self.state.fetch_or(SEATED, Ordering::AcqRel);
    }

    /// It has none any more; answers whether it was in it.
    pub(super) fn give_up(&self) -> bool {
        self.state.fetch_and(!SEATED, Ordering::AcqRel) == SEATED
    }

    /// Its handler begins to wait for its client; `None` where it does already.
    pub(crate) fn goes_away(&self, now: Nanos) -> Option<Moved> {
        let before = self.state.fetch_or(AWAY, Ordering::AcqRel);
        if before & AWAY != 0 {
            return None;
        }
        self.since.store(now, Ordering::Relaxed);
        Some(Moved { seated: before & SEATED != 0 })
    }

    /// Its handler waits no longer; `None` where it did not.
    pub(crate) fn comes_back(&self, now: impl FnOnce() -> Nanos) -> Option<Moved> {
        if self.state.load(Ordering::Acquire) & AWAY == 0 {
            return None;
        }
        let before = self.state.fetch_and(!AWAY, Ordering::AcqRel);
        if before & AWAY == 0 {
            return None;
        }
        let since = self.since.load(Ordering::Relaxed);
        self.waited.fetch_add(now().saturating_sub(since), Ordering::Relaxed);
        Some(Moved { seated: before & SEATED != 0 })
    }

    /// How long its handler has waited for its client.
    pub(super) fn waited(&self, now: Nanos) -> Nanos {
        let waits = if self.state.load(Ordering::Acquire) & AWAY == 0 {
            0
        } else {
            now.saturating_sub(self.since.load(Ordering::Relaxed))
        };
        self.waited.load(Ordering::Relaxed).saturating_add(waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_left_once_whoever_comes_and_goes() {
        let seat = Seat::default();
        assert_eq!(seat.goes_away(0), Some(Moved { seated: false }), "it has none yet");
        assert_eq!(seat.comes_back(|| 5), Some(Moved { seated: false }));
        seat.take();
        assert_eq!(seat.comes_back(|| unreachable!("it is there")), None);
        assert_eq!(seat.goes_away(10), Some(Moved { seated: true }));
        assert_eq!(seat.goes_away(11), None);
        assert_eq!(seat.waited(12), 5 + 2);
        assert_eq!(seat.comes_back(|| 15), Some(Moved { seated: true }));
        assert_eq!(seat.waited(20), 5 + 5);
        assert!(seat.give_up() && !seat.give_up());
        seat.take();
        seat.goes_away(20);
        assert!(!seat.give_up(), "it was left when it went away");
        assert_eq!(seat.comes_back(|| 30), Some(Moved { seated: false }));
    }
}

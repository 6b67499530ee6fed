//! How a request's body comes along: what fails while its client holds it up, or after it could not be read, says nothing of those who
//! work on it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::clock::Nanos;

const COMES: u8 = 0;
const AWAITED: u8 = 1;
const UNREAD: u8 = 2;

/// What gives a body up because of a timeout says so within this time.
const AT_ONCE: Nanos = 10_000_000;

/// Where a request's body is; the server alone writes it.
#[derive(Debug, Default)]
pub struct Upload {
    state: AtomicU8,
    /// When somebody who had waited for more of it gave up; 0 where nobody did.
    given_up: AtomicU64,
}

impl Clone for Upload {
    fn clone(&self) -> Self {
        Self {
            state: AtomicU8::new(self.state.load(Ordering::Relaxed)),
            given_up: AtomicU64::new(self.given_up.load(Ordering::Relaxed)),
        }
    }
}

#[cfg_attr(not(feature = "service"), expect(dead_code, reason = "no request has a body"))]
impl Upload {
    /// Somebody waits for more of it, or has it.
    pub(crate) fn awaits(&self, more: bool) {
        if self.state.load(Ordering::Relaxed) != UNREAD {
            self.state.store(if more { AWAITED } else { COMES }, Ordering::Relaxed);
        }
    }

    /// It could not be read to its end: it was too large, too slow, or none.
    pub(crate) fn is_unread(&self) {
        self.state.store(UNREAD, Ordering::Relaxed);
    }

    /// Nobody reads it any more; `now` where somebody had waited for it.
    pub(crate) fn is_dropped(&self, now: impl FnOnce() -> Nanos) {
        if self.state.load(Ordering::Relaxed) == AWAITED {
            self.state.store(COMES, Ordering::Relaxed);
            self.given_up.store(now().max(1), Ordering::Relaxed);
        }
    }

    /// Whether its client holds up whoever works on the request, or has kept them from it.
    pub(crate) fn holds_up(&self, now: Nanos) -> bool {
        let given_up = self.given_up.load(Ordering::Relaxed);
        self.state.load(Ordering::Relaxed) != COMES || given_up > 0 && now <= given_up.saturating_add(AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_holds_up_those_who_wait_and_nobody_afterwards() {
        let upload = Upload::default();
        assert!(!upload.holds_up(1));
        upload.awaits(true);
        assert!(upload.holds_up(1));
        upload.awaits(false);
        upload.is_dropped(|| unreachable!());
        assert!(!upload.holds_up(2));
        upload.awaits(true);
        upload.is_dropped(|| 100);
        assert!(upload.holds_up(100 + AT_ONCE), "what was cut while it waited says so at once");
        assert!(!upload.holds_up(101 + AT_ONCE), "what fails later has reasons of its own");
        upload.is_unread();
        upload.awaits(false);
        assert!(upload.holds_up(u64::MAX), "it will never be read");
    }
}

//! How a request's body comes along: what fails while its client holds it up, or after it could not be read, says nothing of those who
//! work on it.

use std::sync::atomic::{AtomicU8, Ordering};

const COMES: u8 = 0;
const AWAITED: u8 = 1;
const UNREAD: u8 = 2;

/// Where a request's body is; the server alone writes it.
#[derive(Debug, Default)]
pub struct Upload(AtomicU8);

impl Clone for Upload {
    fn clone(&self) -> Self {
        Self(AtomicU8::new(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg_attr(not(feature = "service"), expect(dead_code, reason = "no request has a body"))]
impl Upload {
    /// Somebody waits for more of it, or has it.
    pub(crate) fn awaits(&self, more: bool) {
        if self.0.load(Ordering::Relaxed) != UNREAD {
            self.0.store(if more { AWAITED } else { COMES }, Ordering::Relaxed);
        }
    }

    /// It could not be read to its end: it was too large, too slow, or none.
    pub(crate) fn is_unread(&self) {
        self.0.store(UNREAD, Ordering::Relaxed);
    }

    /// Whether its client holds up whoever works on the request, or has kept them from it.
    pub(crate) fn holds_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) != COMES
    }
}

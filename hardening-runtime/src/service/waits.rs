//! Whether what is left of a request waits for its client alone: to send more of its body, or to take more of its answer. How long
//! that takes is for any client to say, and no fault of the service.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// Its handler waits for more of its body.
    Body = 1,
    /// Its client has not taken what is at hand of its answer.
    Answer = 2,
}

/// It has a route that counts it, and has not ended.
const COUNTED: u8 = 4;

/// Where one request stands. Each change answers whether the request is one more that waits, or one less, of those that are counted.
#[derive(Debug, Default)]
pub(crate) struct Waits(AtomicU8);

impl Waits {
    /// It begins to wait, or does no longer.
    pub(super) fn set(&self, what: For, waits: bool) -> Option<bool> {
        let bit = what as u8;
        let before = if waits {
            self.0.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.0.fetch_and(!bit, Ordering::AcqRel)
        };
        changed(before, if waits { before | bit } else { before & !bit })
    }

    /// It has a route now.
    pub(super) fn counts(&self) -> Option<bool> {
        let before = self.0.fetch_or(COUNTED, Ordering::AcqRel);
        changed(before, before | COUNTED)
    }

    /// It has ended.
    pub(super) fn ended(&self) -> Option<bool> {
        let before = self.0.fetch_and(!COUNTED, Ordering::AcqRel);
        changed(before, before & !COUNTED)
    }
}

fn changed(before: u8, after: u8) -> Option<bool> {
    let waits = |state: u8| state & COUNTED != 0 && state != COUNTED;
    (waits(before) != waits(after)).then(|| waits(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_once_however_much_it_waits_for() {
        let waits = Waits::default();
        assert_eq!(waits.set(For::Body, true), None, "it has no route yet");
        assert_eq!(waits.counts(), Some(true));
        assert_eq!(waits.set(For::Answer, true), None);
        assert_eq!(waits.set(For::Body, false), None);
        assert_eq!(waits.set(For::Answer, false), Some(false));
        assert_eq!(waits.set(For::Body, true), Some(true));
        assert_eq!(waits.set(For::Body, true), None);
        assert_eq!(waits.ended(), Some(false));
        assert_eq!(waits.set(For::Body, false), None, "its body may outlive it");
        assert_eq!(waits.set(For::Body, true), None);
    }
}

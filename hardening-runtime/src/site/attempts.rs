//! What bodies see of the attempts of one site.

use std::sync::{Mutex, PoisonError};

use crate::context::Attempt;

/// The attempts of one site, by number. Bodies get a reference that lives for ever, so that handing it on costs no more than a
/// number; the first is made with the site, and each further one when a call reaches it for the first time.
#[derive(Debug)]
pub(crate) struct Attempts {
    first: Option<&'static Attempt>,
    further: Mutex<Vec<&'static Attempt>>,
}

impl Attempts {
    /// The attempts of a call with a retry, or with executions side by side.
    pub(super) fn new(call: &'static str, retries: bool, hedges: bool) -> Self {
        let first = (retries || hedges).then(|| made(call, 1, retries));
        Self { first, further: Mutex::default() }
    }

    /// The first one; `None` where a call makes no other.
    #[inline(always)]
    pub(super) const fn first(&self) -> Option<&'static Attempt> {
        self.first
    }

    /// The one of this number.
    #[cold]
    pub(super) fn of(&self, number: u32) -> Option<&'static Attempt> {
        let first = self.first?;
        let mut further = self.further.lock().unwrap_or_else(PoisonError::into_inner);
        while (further.len() as u32) < number.saturating_sub(1) {
            let next = made(first.call, further.len() as u32 + 2, first.is_retry);
            further.push(next);
        }
        match number {
            0 | 1 => Some(first),
            _ => further.get(number as usize - 2).copied(),
        }
    }
}

/// Lives as long as the site, which is for ever.
fn made(call: &'static str, number: u32, is_retry: bool) -> &'static Attempt {
    Box::leak(Box::new(Attempt { call, number, is_retry }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_made_once() {
        let attempts = Attempts::new("call", true, false);
        let number = |number| attempts.of(number).unwrap().number;
        assert_eq!([1, 3, 2, 20].map(number), [1, 3, 2, 20]);
        assert!(std::ptr::eq(attempts.of(3).unwrap(), attempts.of(3).unwrap()));
        assert!(std::ptr::eq(attempts.of(1).unwrap(), attempts.first().unwrap()));
        assert!(Attempts::new("call", false, false).of(1).is_none());
    }
}

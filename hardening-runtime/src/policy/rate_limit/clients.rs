//! A limiter as the service keeps its clients in it: with rooms of several sizes in one table, and with fines.

use std::time::Duration;

use super::{Arrival, Charge, Decision, Limiter};
use crate::clock::Nanos;

impl Limiter {
    /// As [`Limiter::check`] for one unit, where the key is known or there are fewer than `most`; `None` where there is no room for it.
    pub(crate) fn check_within(&self, key: u64, most: usize, now: Nanos) -> Option<Decision> {
        let Some(keyed) = self.keyed.as_ref().filter(|_| !self.is_off()) else {
            return Some(self.check(key, 1, now));
        };
        let arrival = keyed.update_within(key, most, now, |tat| self.gcra().charge_at(tat, now, 1))?;
        let marked = matches!(arrival, Arrival::Exceeds { .. }) && self.needs_book(self.word(Some(key)), now);
        Some(self.told(key, if marked { self.arrive_by_book(Some(key), 1, now) } else { arrival }, now))
    }

    /// Whether the table holds a key.
    pub(crate) fn knows(&self, key: u64) -> bool {
        self.keyed.as_ref().is_some_and(|keyed| keyed.peek(key).is_some())
    }

    /// Charges up to `cost` more units of the key with this hash, as many as are left, for something that was no decision; false where
    /// the key is not known and there are `most` or more.
    pub(crate) fn fine_within(&self, key: u64, most: usize, cost: u32, now: Nanos) -> bool {
        let gcra = self.gcra();
        let fine = |tat: &mut Nanos| gcra.charge_at(tat, now, cost.min(gcra.remaining(*tat, now)));
        self.keyed
            .as_ref()
            .is_some_and(|keyed| gcra.is_off() || keyed.update_within(key, most, now, fine).is_some())
    }

    /// How long one unit of the key with this hash has to wait, where none is left; charges nothing.
    pub(crate) fn exhausted(&self, key: u64, now: Nanos) -> Option<Duration> {
        if self.remaining(key, now) > 0 {
            return None;
        }
        match self.arrive(Charge { key, cost: 1 }, now) {
            Arrival::Conforms { .. } => None,
            Arrival::Exceeds { retry_after } => Some(retry_after.map_or(Duration::MAX, Duration::from_nanos)),
        }
    }
}

//! The order of those who wait in one lane: first come, first served until it is overloaded, that is until a caller that came more
//! than [`STANDING`] after the lane had last made nobody wait is the next one. From then on the newest has the next turn: callers
//! that have waited for long may have left without our knowledge, and those who come now can still be answered in time.
//!
//! A newer caller takes the turn of an older one, which waits without a turn from then on. When a turn has been taken or given up,
//! the newest of those without one may take the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gcra::Gcra;
use super::reservation::Waiter;
use crate::clock::Nanos;

/// A line that has stood for so long is no burst any more, nor one in which fewer than [`SERVED`] units have passed.
const STANDING: Nanos = 100_000_000;
const SERVED: u32 = 5;

/// So many of those without a turn know that one is free, should the first not be polled.
const TOLD: usize = 2;

/// Turns that were taken in vain, or are due soon, are offered no sooner than so long after others.
const SHUFFLE: Nanos = 1_000_000;

/// The order of one lane.
#[derive(Debug)]
pub(super) struct Line {
    /// When the lane last made nobody wait.
    since: Nanos,
    overloaded: bool,
    /// Callers without a turn, by the order of their coming.
    aside: BTreeMap<u64, Arc<Waiter>>,
    /// Callers that another lane has left without a turn.
    elsewhere: BTreeMap<u64, Arc<Waiter>>,
    /// What all of these will be charged here.
    units: u64,
    /// When turns may be offered again that nobody has left.
    shuffled: Nanos,
}

impl Line {
    pub(super) const fn new(now: Nanos) -> Self {
        Self {
            since: now,
            overloaded: false,
            aside: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            units: 0,
            shuffled: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.aside.is_empty() && self.elsewhere.is_empty()
    }

    pub(super) const fn is_overloaded(&self) -> bool {
        self.overloaded
    }

    /// A caller has to wait `now`, in a lane in which the next one came at the moment `first`.
    pub(super) fn observe(&mut self, first: Option<Nanos>, gcra: &Gcra, now: Nanos) {
        match first {
            Some(came) => {
                self.overloaded |= came > self.since.saturating_add(STANDING.max(gcra.charge(SERVED)));
            }
            None if self.aside.is_empty() => (self.since, self.overloaded) = (now, false),
            None => {}
        }
    }

    /// Keeps a caller without a turn, `here` if this lane has left it without one.
    pub(super) fn put(&mut self, waiter: &Arc<Waiter>, cost: u32, here: bool) {
        let map = if here { &mut self.aside } else { &mut self.elsewhere };
        map.insert(waiter.order, Arc::clone(waiter));
        self.units = self.units.saturating_add(cost.into());
    }

    pub(super) fn take(&mut self, waiter: &Waiter, cost: u32) {
        let taken = self.aside.remove(&waiter.order).or_else(|| self.elsewhere.remove(&waiter.order));
        if taken.is_some() {
            self.units = self.units.saturating_sub(cost.into());
        }
    }

    /// Whether turns may be offered that nobody has left: once in a while, since who is told may take one from another, who is told
    /// of that, and so on without an end where costs differ.
    pub(super) const fn shuffles(&mut self, now: Nanos) -> bool {
        let shuffles = now >= self.shuffled;
        if shuffles {
            self.shuffled = now.saturating_add(SHUFFLE);
        }
        shuffles
    }

    /// How long it takes until those without a turn have passed.
    pub(super) fn backlog(&self, gcra: &Gcra) -> Nanos {
        gcra.emission.saturating_mul(self.units)
    }

    /// Those who may take the next turn.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.aside.values().rev().take(TOLD)
    }

    /// Everybody without a turn.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.aside.values().chain(self.elsewhere.values())
    }
}

#[cfg(test)]
mod tests {
    use hardening_spec::Rate;
    use tokio::sync::Notify;

    use super::super::reservation::ASIDE;
    use super::*;
    use crate::clock::NEVER;
    use crate::sync::atomic::{AtomicU32, AtomicU64};

    const MILLI: Nanos = 1_000_000;

    fn waiter(order: u64) -> Arc<Waiter> {
        Arc::new(Waiter {
            parts: Box::new([]),
            order,
            came: 0,
            until: NEVER,
            binds: AtomicU32::new(0),
            late: 0,
            turn: AtomicU64::new(ASIDE),
            heard: AtomicU32::new(0),
            watches: AtomicU64::new(NEVER),
            wake: Notify::new(),
        })
    }

    fn orders<'w>(waiters: impl Iterator<Item = &'w Arc<Waiter>>) -> Vec<u64> {
        waiters.map(|waiter| waiter.order).collect()
    }

    #[test]
    fn turns_that_nobody_has_left_are_offered_once_in_a_while() {
        let mut line = Line::new(0);
        let offered = [7, 7, 6 + SHUFFLE, 7 + SHUFFLE, 7 + SHUFFLE].map(|now| line.shuffles(now));
        assert_eq!(offered, [true, false, false, true, false]);
    }

    #[test]
    fn a_line_is_empty_once_nobody_is_in_it_for_whatever_lane() {
        let gcra = Gcra::new(Rate::per_secs(100, 1), 1);
        let (here, elsewhere) = (waiter(1), waiter(2));
        let mut line = Line::new(0);
        assert!(line.is_empty());
        line.put(&here, 2, true);
        assert!(!line.is_empty());
        line.put(&elsewhere, 3, false);
        assert_eq!((orders(line.newest()), orders(line.waiting())), (vec![1], vec![1, 2]));
        assert_eq!(line.backlog(&gcra), 50 * MILLI);
        line.take(&here, 2);
        assert!(!line.is_empty());
        line.take(&here, 2);
        assert_eq!(line.backlog(&gcra), 30 * MILLI, "it is taken once");
        line.take(&elsewhere, 3);
        assert!(line.is_empty() && line.backlog(&gcra) == 0);
    }

    #[test]
    fn the_newest_are_told_and_few_of_them() {
        let mut line = Line::new(0);
        for order in [3, 1, 4, 2] {
            line.put(&waiter(order), 1, true);
        }
        assert_eq!(orders(line.newest()), [4, 3]);
    }

    #[test]
    fn a_line_is_overloaded_until_nobody_waits() {
        // Five units take 50 ms, so a hundred milliseconds count.
        let gcra = Gcra::new(Rate::per_secs(100, 1), 1);
        let mut line = Line::new(0);
        line.observe(Some(100 * MILLI), &gcra, 150 * MILLI);
        assert!(!line.is_overloaded(), "it has stood for no longer");
        line.observe(Some(100 * MILLI + 1), &gcra, 150 * MILLI);
        assert!(line.is_overloaded());
        let aside = waiter(1);
        line.put(&aside, 1, true);
        line.observe(None, &gcra, 200 * MILLI);
        assert!(line.is_overloaded(), "somebody waits without a turn");
        line.take(&aside, 1);
        line.observe(None, &gcra, 300 * MILLI);
        assert!(!line.is_overloaded());
        line.observe(Some(390 * MILLI), &gcra, 400 * MILLI);
        assert!(!line.is_overloaded(), "it counts anew");
        line.observe(Some(401 * MILLI), &gcra, 410 * MILLI);
        assert!(line.is_overloaded());
    }
}

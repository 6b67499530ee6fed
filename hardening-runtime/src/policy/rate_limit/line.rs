//! The order of those who wait in one lane: first come, first served until it is overloaded
//! ([`standing`](crate::policy::standing)). From then on the newest has the next turn, until nobody waits: callers that have waited
//! for long may have left without our knowledge, and those who come now can still be answered in time.
//!
//! A newer caller takes the turn of an older one, which waits without a turn from then on. When a turn has been taken or given up,
//! the newest of those without one may take the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gcra::Gcra;
use super::reservation::Waiter;
use crate::clock::{NEVER, Nanos};
use crate::policy::standing::{ASSUMED, FEW, stands};
use crate::sync::atomic::Ordering;

/// So many of those without a turn know that one is free, should the first not be polled.
const TOLD: usize = 2;
/// One that has been told and is not polled for so long is not told again, so that others are.
const SILENT: Nanos = 10_000_000;

/// Turns that were taken in vain are offered no sooner than so long after others.
const SHUFFLE: Nanos = 1_000_000;

/// Callers without a turn, by the order of their coming, with what they will be charged in this lane.
type Callers = BTreeMap<u64, (Arc<Waiter>, u32)>;

/// The order of one lane.
#[derive(Debug)]
pub(super) struct Line {
    /// When the lane last made nobody wait.
    since: Nanos,
    overloaded: bool,
    /// Callers without a turn.
    aside: Callers,
    /// Those that another lane has left without a turn, and those that are not polled: they are told of nothing.
    untold: Callers,
    /// What all of these will be charged here.
    units: u64,
    /// When the wait of one of these is over, at the earliest.
    soonest: Nanos,
    /// When turns may be offered again that did not suffice for the one that took them.
    shuffled: Nanos,
}

impl Line {
    pub(super) const fn new(now: Nanos) -> Self {
        Self {
            since: now,
            overloaded: false,
            aside: BTreeMap::new(),
            untold: BTreeMap::new(),
            units: 0,
            soonest: NEVER,
            shuffled: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.aside.is_empty() && self.untold.is_empty()
    }

    pub(super) const fn is_overloaded(&self) -> bool {
        self.overloaded
    }

    /// A caller has to wait `now`, behind `first` if anybody; `left` is what can be borne where callers leave.
    pub(super) fn observe(&mut self, first: Option<&Waiter>, left: Nanos, gcra: &Gcra, now: Nanos) {
        match first {
            Some(first) => {
                let assumed = if first.hurried { NEVER } else { ASSUMED.max(gcra.charge(FEW)) };
                self.overloaded |= stands(self.since, first.came, first.turn(), assumed.min(left));
            }
            None if self.aside.is_empty() => (self.since, self.overloaded) = (now, false),
            None => {}
        }
    }

    /// Keeps a caller without a turn, `here` if this lane has left it without one.
    pub(super) fn put(&mut self, waiter: &Arc<Waiter>, cost: u32, here: bool) {
        waiter.told.store(NEVER, Ordering::Relaxed);
        let callers = if here { &mut self.aside } else { &mut self.untold };
        callers.insert(waiter.order, (Arc::clone(waiter), cost));
        self.units = self.units.saturating_add(cost.into());
        self.soonest = self.soonest.min(waiter.until);
    }

    pub(super) fn take(&mut self, waiter: &Waiter) {
        let taken = self.aside.remove(&waiter.order).or_else(|| self.untold.remove(&waiter.order));
        if let Some((_, cost)) = taken {
            self.units = self.units.saturating_sub(cost.into());
        }
    }

    /// Takes out those whose wait is over and who have not been polled since.
    pub(super) fn expire(&mut self, now: Nanos) {
        if now < self.soonest {
            return;
        }
        self.soonest = NEVER;
        for callers in [&mut self.aside, &mut self.untold] {
            callers.retain(|_, (waiter, cost)| {
                let waits = now < waiter.until;
                if waits {
                    self.soonest = self.soonest.min(waiter.until);
                } else {
                    self.units = self.units.saturating_sub((*cost).into());
                }
                waits
            });
        }
    }

    /// Whether turns may be offered that did not suffice for the one that took them: once in a while, since their owners take them back
    /// and are woken for that, and so is that one.
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

    /// Those who may take the next turn and are told so.
    pub(super) fn tell(&mut self, now: Nanos) -> Vec<Arc<Waiter>> {
        let (mut told, mut silent) = (Vec::new(), Vec::new());
        for (order, (waiter, _)) in self.aside.iter().rev() {
            if waiter.told.load(Ordering::Relaxed).saturating_add(SILENT) <= now {
                silent.push(*order);
                continue;
            }
            waiter.told.fetch_min(now, Ordering::Relaxed);
            told.push(Arc::clone(waiter));
            if told.len() == TOLD {
                break;
            }
        }
        for order in silent {
            self.untold.extend(self.aside.remove_entry(&order));
        }
        told
    }

    /// Everybody without a turn.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.aside.values().chain(self.untold.values()).map(|(waiter, _)| waiter)
    }
}

#[cfg(test)]
mod tests {
    use hardening_spec::Rate;
    use tokio::sync::Notify;

    use super::super::reservation::ASIDE;
    use super::*;
    use crate::sync::atomic::{AtomicU32, AtomicU64};

    const MILLI: Nanos = 1_000_000;

    fn of(order: u64) -> Waiter {
        Waiter {
            parts: Box::new([]),
            order,
            came: 0,
            until: NEVER,
            hurried: false,
            binds: AtomicU32::new(0),
            late: 0,
            turn: AtomicU64::new(ASIDE),
            heard: AtomicU32::new(0),
            watches: AtomicU64::new(NEVER),
            told: AtomicU64::new(NEVER),
            wake: Notify::new(),
        }
    }

    fn waiter(order: u64) -> Arc<Waiter> {
        Arc::new(of(order))
    }

    fn orders<'w>(waiters: impl IntoIterator<Item = &'w Arc<Waiter>>) -> Vec<u64> {
        waiters.into_iter().map(|waiter| waiter.order).collect()
    }

    fn told(line: &mut Line, now: Nanos) -> Vec<u64> {
        orders(&line.tell(now))
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
        assert_eq!((told(&mut line, 0), orders(line.waiting())), (vec![1], vec![1, 2]));
        assert_eq!(line.backlog(&gcra), 50 * MILLI);
        line.take(&here);
        assert!(!line.is_empty());
        line.take(&here);
        assert_eq!(line.backlog(&gcra), 30 * MILLI, "it is taken once");
        line.take(&elsewhere);
        assert!(line.is_empty() && line.backlog(&gcra) == 0);
    }

    #[test]
    fn the_newest_are_told_and_few_of_them_and_others_once_these_do_not_answer() {
        let mut line = Line::new(0);
        let waiters = [1, 2, 3, 4, 5].map(waiter);
        for at in [3, 0, 2, 1, 4] {
            line.put(&waiters[at], 1, true);
        }
        assert_eq!(told(&mut line, 7), [5, 4]);
        // The newest is polled and waits on.
        line.take(&waiters[4]);
        line.put(&waiters[4], 1, true);
        assert_eq!(told(&mut line, 7 + SILENT - 1), [5, 4]);
        assert_eq!(told(&mut line, 7 + SILENT), [5, 3]);
        assert_eq!(told(&mut line, 7 + 3 * SILENT), [2, 1]);
        assert_eq!(told(&mut line, 7 + 9 * SILENT), [0; 0]);
        assert_eq!(line.waiting().count(), 5);
        // Who is polled after all is told again.
        line.take(&waiters[3]);
        line.put(&waiters[3], 1, true);
        assert_eq!(told(&mut line, 7 + 9 * SILENT), [4]);
    }

    #[test]
    fn turns_that_were_taken_in_vain_are_offered_once_in_a_while() {
        let mut line = Line::new(0);
        let offered = [7, 7, 6 + SHUFFLE, 7 + SHUFFLE, 7 + SHUFFLE].map(|now| line.shuffles(now));
        assert_eq!(offered, [true, false, false, true, false]);
    }

    #[test]
    fn nobody_counts_whose_wait_is_over() {
        let gcra = Gcra::new(Rate::per_secs(100, 1), 1);
        let until = |order, until| Arc::new(Waiter { until, ..of(order) });
        let mut line = Line::new(0);
        line.put(&until(1, 30), 1, true);
        line.put(&until(2, 10), 2, true);
        line.put(&until(3, 20), 4, false);
        let mut left = |now| {
            line.expire(now);
            (orders(line.waiting()), line.backlog(&gcra) / MILLI)
        };
        assert_eq!(left(9), (vec![1, 2, 3], 70));
        assert_eq!(left(10), (vec![1, 3], 50));
        assert_eq!(left(19), (vec![1, 3], 50));
        assert_eq!(left(20), (vec![1], 10));
        assert_eq!(left(29), (vec![1], 10));
        assert_eq!(left(30), (vec![], 0));
        assert!(line.is_empty());
    }

    /// A caller that came and has its turn after so many milliseconds.
    fn next(came: u64, turn: u64) -> Waiter {
        Waiter { came: came * MILLI, turn: AtomicU64::new(turn * MILLI), ..of(1) }
    }

    fn overloaded(line: &mut Line, first: Option<&Waiter>, left: Nanos, rate: u32) -> bool {
        line.observe(first, left, &Gcra::new(Rate::per_secs(rate, 1), 1), 300 * MILLI);
        line.is_overloaded()
    }

    #[test]
    fn a_line_is_overloaded_from_a_long_wait_on_until_nobody_waits() {
        let mut line = Line::new(0);
        assert!(!overloaded(&mut line, Some(&next(200, 700)), NEVER, 100));
        assert!(overloaded(&mut line, Some(&next(200, 701)), NEVER, 100));
        assert!(overloaded(&mut line, Some(&next(200, 201)), NEVER, 100));
        let aside = waiter(1);
        line.put(&aside, 1, true);
        assert!(overloaded(&mut line, None, NEVER, 100), "somebody waits without a turn");
        line.take(&aside);
        assert!(!overloaded(&mut line, None, NEVER, 100));
        assert!(!overloaded(&mut line, Some(&next(400, 1400)), NEVER, 100), "it is a burst once more");
        assert!(overloaded(&mut line, Some(&next(401, 1401)), NEVER, 100));
    }

    #[test]
    fn how_long_is_too_long_depends_on_the_callers() {
        let after = |turn: u64, hurried, left, rate| {
            overloaded(&mut Line::new(0), Some(&Waiter { hurried, ..next(200, 200 + turn) }), left, rate)
        };
        assert!(!after(5000, true, NEVER, 100), "who has a deadline is served in time or refused");
        assert!(!after(50, true, 50 * MILLI, 100) && after(51, true, 50 * MILLI, 100), "callers leave");
        assert!(!after(50, false, 50 * MILLI, 100) && after(51, false, 50 * MILLI, 100));
        assert!(!after(1000, false, NEVER, 5) && after(1001, false, NEVER, 5), "five turns are few");
    }
}

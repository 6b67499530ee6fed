//! Which caller has which turn: a newer one may have the turn of an older one in a lane that is overloaded.

use std::sync::Arc;

use super::Limiter;
use super::books::{Books, Found, Part};
use super::reservation::{ASIDE, LEAD, Waiter};
use crate::clock::Nanos;
use crate::sync::atomic::Ordering;

/// So many turns are looked at for one that belongs to an older caller.
const LOOKED_AT: usize = 64;
/// So many turns are taken for one caller of a high cost.
const TAKEN: usize = 64;

impl Books {
    /// A caller has to wait for the turn that was found: looks whether the lane that makes it wait is overloaded by now.
    pub(super) fn observe(&mut self, parts: &[Part], found: &Found, now: Nanos) -> bool {
        let part = &parts[found.last];
        let gcra = part.limiter.gcra();
        let queue = self.queue(part, now);
        let mut next = queue.calendar.from(now).take(LOOKED_AT);
        let first = next.find(|other| other.is_bound_by(part)).map(|first| first.came);
        queue.line.observe(first, &gcra, now);
        queue.line.is_overloaded()
    }

    /// Gives a caller the turn that its place in the order allows for, or none for now.
    pub(super) fn place(&mut self, waiter: &Arc<Waiter>, now: Nanos) -> Option<Nanos> {
        let mut taken = 0;
        let turn = loop {
            let Ok(found) = self.search(&waiter.parts, now, now) else { break None };
            waiter.bind(found.last);
            if found.turn <= waiter.until && self.is_next(&waiter.parts[found.last], found.turn, now) {
                break Some(found.turn);
            }
            match self.older(waiter, &found, now) {
                Some(older) if taken < TAKEN => self.set_aside(&older, now),
                _ => break None,
            }
            taken += 1;
        };
        match turn {
            Some(turn) => self.insert(waiter, turn, now),
            None => self.set_aside(waiter, now),
        }
        // What did not suffice is for others, which may not need as much.
        if taken > usize::from(turn.is_some()) {
            self.shuffle(waiter, now);
        }
        turn
    }

    /// Whether a caller that comes last may have this turn. In a lane that is overloaded only the next turns are given: the others are
    /// for callers that come before they do.
    fn is_next(&mut self, part: &Part, turn: Nanos, now: Nanos) -> bool {
        let queue = self.queue(part, now);
        !queue.line.is_overloaded() || turn <= now + LEAD || queue.calendar.between(now + 1, turn) == 0
    }

    /// The first turn that an older caller has and this one could use in the lane that makes it wait.
    fn older(&mut self, waiter: &Waiter, found: &Found, now: Nanos) -> Option<Arc<Waiter>> {
        let part = &waiter.parts[found.last];
        if !self.queue(part, now).line.is_overloaded() {
            return None;
        }
        let others: Vec<_> = (waiter.parts.iter().enumerate())
            .filter(|(at, _)| *at != found.last)
            .map(|(_, part)| *part)
            .collect();
        let from = self.search(&others, now, now).ok()?.turn.max(now + 1);
        let locked: Vec<&Limiter> = self.locked.iter().map(|(limiter, _)| *limiter).collect();
        let is_locked = |of: &Part| locked.iter().any(|limiter| std::ptr::eq(*limiter, of.limiter));
        let suits = |other: &&Arc<Waiter>| {
            other.order < waiter.order && other.is_bound_by(part) && other.parts.iter().all(is_locked)
        };
        let usable = |other: &&Arc<Waiter>| other.turn() < found.turn && other.turn() <= waiter.until;
        let turns = self.calendar(part, now).from(from).take(LOOKED_AT);
        turns.take_while(usable).find(suits).cloned()
    }

    /// Has a caller wait without a turn.
    pub(super) fn set_aside(&mut self, waiter: &Arc<Waiter>, now: Nanos) {
        self.remove(waiter, now);
        for part in &waiter.parts {
            let here = waiter.is_bound_by(part);
            self.queue(part, now).line.put(waiter, part.cost, here);
        }
        waiter.turn.store(ASIDE, Ordering::Release);
    }

    /// Tells them where this caller has left a turn of others, or has one that is due soon.
    pub(super) fn shuffle(&mut self, waiter: &Waiter, now: Nanos) {
        let part = *waiter.bound_by();
        if self.queue(&part, now).line.shuffles(now) {
            self.tell_newest(&waiter.parts, now);
        }
    }

    /// Tells the newest callers without a turn that there may be one for them.
    pub(super) fn tell_newest(&mut self, parts: &[Part], now: Nanos) {
        for part in parts {
            let newest: Vec<_> = self.queue(part, now).line.newest().cloned().collect();
            self.wake.extend(newest.into_iter().map(|waiter| (waiter, 0)));
        }
    }

    /// When a caller that has just come and has no turn will have one, if nobody comes after it.
    pub(super) fn expected(&mut self, waiter: &Waiter, now: Nanos) -> Nanos {
        let part = waiter.bound_by();
        let gcra = part.limiter.gcra();
        let next = self.calendar(part, now).from(now + 1).next().map_or(now, |next| next.turn());
        next.saturating_add(gcra.charge(part.cost))
    }
}

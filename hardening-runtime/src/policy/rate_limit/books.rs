//! The locked books of all limits of a call, and the search for a moment that suits each of them.

use std::sync::Arc;

use hardening_spec::MAX_RATE_LIMITS;

use super::book::{Book, Lane, Queue};
use super::calendar::Calendar;
use super::joint::{Asked, Entered};
use super::reservation::{ASIDE, Look, Waiter};
use super::{Limiter, Refused};
use crate::clock::{NEVER, Nanos};
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;

/// So many callers behind a gap know of it.
pub(super) const HEIRS: usize = 3;
/// A caller whom another limit holds up passes the word on, so often at most.
const HOPS: u32 = 64;
/// After so many rounds between gaps that fit one limit and not another, a turn behind everybody is taken.
const ROUNDS: u32 = 64;

/// A charge in one lane.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) limiter: &'static Limiter,
    pub(super) lane: Lane,
    pub(super) cost: u32,
    position: u8,
}

type Locked = (&'static Limiter, MutexGuard<'static, Book>);

/// The books of several limiters, locked in the order of their addresses.
pub(super) struct Books {
    pub(super) locked: Vec<Locked>,
    /// Who is woken once the locks are given back, and how.
    pub(super) wake: Vec<(Arc<Waiter>, u32)>,
}

fn book_of<'a>(locked: &'a mut [Locked], limiter: &Limiter) -> &'a mut Book {
    let same = locked.iter().position(|(locked, _)| std::ptr::eq(*locked, limiter));
    // Every caller has locked what it asks for.
    &mut locked[same.unwrap_or(0)].1
}

/// A moment at which every limit has room.
pub(super) struct Found {
    pub(super) turn: Nanos,
    /// How much later it is for the sake of each part, and the part that was the last to make it later.
    pub(super) moved: [Nanos; MAX_RATE_LIMITS],
    pub(super) last: usize,
}

impl Books {
    pub(super) fn lock(limiters: impl Iterator<Item = &'static Limiter>) -> Self {
        let mut limiters: Vec<_> = limiters.collect();
        limiters.sort_unstable_by_key(|limiter| std::ptr::from_ref(*limiter).addr());
        limiters.dedup_by(|one, other| std::ptr::eq(*one, *other));
        Self {
            locked: limiters.into_iter().map(|limiter| (limiter, limiter.book())).collect(),
            wake: Vec::new(),
        }
    }

    pub(super) fn book(&mut self, limiter: &Limiter) -> &mut Book {
        book_of(&mut self.locked, limiter)
    }

    /// The queue of a part. Where a caller has lost its turn in it, the next ones are told.
    pub(super) fn queue(&mut self, part: &Part, now: Nanos) -> &mut Queue {
        let queue = book_of(&mut self.locked, part.limiter).open(part.limiter, part.lane, now);
        if let Some(lost) = queue.calendar.take_lost() {
            let heirs = queue.calendar.from(lost).take(HEIRS).map(|heir| (heir, 1));
            let heirs = heirs.chain(queue.line.newest().map(|newest| (newest, 0)));
            self.wake.extend(heirs.map(|(heir, word)| (Arc::clone(heir), word)));
        }
        queue
    }

    pub(super) fn calendar(&mut self, part: &Part, now: Nanos) -> &mut Calendar<Arc<Waiter>> {
        &mut self.queue(part, now).calendar
    }

    /// One part for each lane.
    pub(super) fn parts(&mut self, asked: &[&Asked], now: Nanos) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::with_capacity(asked.len());
        for &&Asked { limiter, charge, position } in asked {
            let (lane, overflows) = self.book(limiter).lane(limiter, charge, now);
            if overflows {
                limiter.count_overflow();
            }
            let same = |part: &&mut Part| std::ptr::eq(part.limiter, limiter) && part.lane == lane;
            match parts.iter_mut().find(same) {
                Some(part) => part.cost = part.cost.saturating_add(charge.cost),
                None => parts.push(Part { limiter, lane, cost: charge.cost, position }),
            }
        }
        parts
    }

    /// The first moment from `from` on, or from `now`, at which all have room, or the part that never has.
    pub(super) fn search(&mut self, parts: &[Part], now: Nanos, from: Nanos) -> Result<Found, usize> {
        let mut found = Found { turn: now.max(from), moved: [0; MAX_RATE_LIMITS], last: 0 };
        for round in 0.. {
            let before = found.turn;
            for (at, part) in parts.iter().enumerate() {
                let gcra = part.limiter.gcra();
                if gcra.is_off() {
                    continue;
                }
                let calendar = self.calendar(part, now);
                let turn = if round < ROUNDS {
                    calendar.earliest(&gcra, part.cost, found.turn)
                } else {
                    calendar.at_the_end(&gcra, part.cost, found.turn)
                };
                let turn = turn.ok_or(at)?;
                if turn > found.turn {
                    found.moved[at] = found.moved[at].saturating_add(turn - found.turn);
                    (found.turn, found.last) = (turn, at);
                }
            }
            if found.turn == before {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn insert(&mut self, waiter: &Arc<Waiter>, turn: Nanos, now: Nanos) {
        let mut lapse = 0;
        for part in &waiter.parts {
            let gcra = part.limiter.gcra();
            let calendar = self.calendar(part, now);
            lapse = lapse.max(calendar.lapses_before(turn));
            let lapses = turn.saturating_add(waiter.late);
            calendar.insert(&gcra, turn, lapses, part.cost, Arc::clone(waiter));
        }
        waiter.watches.store(if lapse > now { lapse } else { NEVER }, Ordering::Release);
        waiter.turn.store(turn, Ordering::Release);
    }

    /// Has a caller whose turn has come begin.
    pub(super) fn claim(&mut self, waiter: &Arc<Waiter>, turn: Nanos, now: Nanos) {
        for part in &waiter.parts {
            let gcra = part.limiter.gcra();
            self.calendar(part, now).claim(&gcra, turn, |other| Arc::ptr_eq(other, waiter));
        }
        self.tell_newest(&waiter.parts, now);
    }

    /// Charges a call in every lane for `now`.
    pub(super) fn pass(&mut self, parts: &[Part], now: Nanos) {
        for part in parts {
            let gcra = part.limiter.gcra();
            if !gcra.is_off() {
                self.calendar(part, now).pass(&gcra, part.cost, now);
            }
        }
        self.tell_newest(parts, now);
    }

    /// Whether a caller must not wait for the turn that was found: for the sake of which part, and how long it would.
    pub(super) fn impatient(
        &mut self,
        parts: &[Part],
        found: &Found,
        latest: Nanos,
        now: Nanos,
    ) -> Option<(usize, Nanos)> {
        let wait = found.turn - now;
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| found.moved[*at] > 0) {
            let backlog = self.queue(part, now).line.backlog(&part.limiter.gcra());
            if found.moved[at].saturating_add(backlog) > part.limiter.patience() {
                return Some((at, wait.saturating_add(backlog)));
            }
        }
        let overloaded = self.observe(parts, found, now);
        (found.turn > latest && !overloaded).then_some((found.last, wait))
    }

    /// Takes a caller out, wherever it waits.
    pub(super) fn remove(&mut self, waiter: &Arc<Waiter>, now: Nanos) {
        let turn = waiter.turn();
        for part in &waiter.parts {
            if turn == ASIDE {
                self.queue(part, now).line.take(waiter, part.cost);
                continue;
            }
            let gcra = part.limiter.gcra();
            self.calendar(part, now).remove(&gcra, turn, |other| Arc::ptr_eq(other, waiter));
        }
    }

    /// Tells the first callers from `turn` on that there is a gap before them, and the newest ones without a turn.
    pub(super) fn tell_of_gap(&mut self, parts: &[Part], turn: Nanos, now: Nanos) {
        self.tell_newest(parts, now);
        for part in parts {
            let heirs: Vec<_> = self.calendar(part, now).from(turn).take(HEIRS).cloned().collect();
            self.wake.extend(heirs.into_iter().map(|heir| (heir, 1)));
        }
    }

    /// Passes the word on to the next caller in each lane.
    pub(super) fn pass_on(&mut self, waiter: &Arc<Waiter>, word: u32, now: Nanos) {
        let word = word + (1 << 8);
        if word >> 8 > HOPS || waiter.parts.len() < 2 {
            return;
        }
        for part in &waiter.parts {
            let other = |other: &&Arc<Waiter>| !Arc::ptr_eq(other, waiter);
            let next = self.calendar(part, now).from(waiter.turn()).find(other).cloned();
            let knows_nothing = |next: &Arc<Waiter>| next.heard.load(Ordering::Relaxed) == 0;
            self.wake.extend(next.filter(knows_nothing).map(|next| (next, word)));
        }
    }

    /// Counts a refusal, and says what it is.
    fn refuse(&mut self, part: &Part, retry_after: Nanos, now: Nanos) -> (u8, Refused) {
        let gcra = part.limiter.gcra();
        let remaining = self.calendar(part, now).remaining(&gcra, now);
        part.limiter.count_refused();
        (part.position, Refused { retry_after, remaining })
    }

    /// Refuses a call that comes.
    pub(super) fn refusal(&mut self, part: &Part, retry_after: Nanos, now: Nanos) -> Entered {
        let (position, refused) = self.refuse(part, retry_after, now);
        Entered::Refused(position, refused)
    }

    /// Refuses a call that waits.
    pub(super) fn refused(&mut self, part: &Part, retry_after: Nanos, now: Nanos) -> Look {
        let (position, refused) = self.refuse(part, retry_after, now);
        Look::Refused(position, refused)
    }

    /// Gives the locks back, then wakes those who are concerned.
    pub(super) fn finish(mut self, parts: &[Part]) {
        for part in parts {
            self.book(part.limiter).close(part.limiter, part.lane);
        }
        let Self { locked, wake } = self;
        drop(locked);
        for (waiter, word) in wake {
            waiter.hear(word);
        }
    }
}

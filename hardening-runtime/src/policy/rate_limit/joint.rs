//! One turn for all limits of a call: the first moment at which each of them has room, charged in each of them for just
//! that moment.
//!
//! A caller that leaves takes its charges out of every calendar. The gaps are for whoever comes and would wait; those
//! that nobody has taken shortly before they come are taken by the callers behind, one after the other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64 as Counter;

use hardening_spec::MAX_RATE_LIMITS;
use tokio::sync::Notify;

use super::book::{Book, Lane};
use super::calendar::Calendar;
use super::{Charge, Limiter, Refused, WithoutWaiting};
use crate::clock::{self, NEVER, Nanos};
use crate::sync::MutexGuard;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// So long before a gap comes, the first caller behind it may take it: timers are late by a few milliseconds.
const LEAD: Nanos = 8_000_000;
/// The next ones behind it take it that much later, in case the first one is not polled.
const STEP: Nanos = 1_000_000;
/// So many callers behind a gap know of it.
const HEIRS: usize = 3;
/// A caller whom another limit holds up passes the word on, so often at most.
const HOPS: u32 = 64;
/// After so many rounds between gaps that fit one limit and not another, a turn behind everybody is taken.
const ROUNDS: u32 = 64;
/// The turn of a caller that has passed, and of one that is refused after all.
const PASSED: Nanos = 0;
const REFUSED: Nanos = NEVER;
/// No turn is given later.
const FAR: Nanos = 1 << 62;

/// A limit that a call is charged.
pub(crate) struct Asked {
    pub(crate) limiter: &'static Limiter,
    pub(crate) charge: Charge,
    /// Which of its call's limits it is.
    pub(crate) position: u8,
}

/// What became of a call.
pub(crate) enum Entered {
    /// Every limit was charged.
    Now,
    /// Every limit will be charged.
    Later(Reservation),
    /// The limit at this position refused, and nothing was charged.
    Refused(u8, Refused),
}

/// A charge in one lane.
struct Part {
    limiter: &'static Limiter,
    lane: Lane,
    cost: u32,
    position: u8,
}

/// A call that waits.
pub(super) struct Waiter {
    parts: Box<[Part]>,
    /// Who came first goes first when the numbers change.
    order: u64,
    /// The latest turn that it may be given.
    until: Nanos,
    /// Changed under the locks of all its limits.
    turn: AtomicU64,
    /// Above 0 when it has heard that there may be an earlier turn; 256 for each that passed the word on.
    heard: AtomicU32,
    wake: Notify,
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("order", &self.order).finish_non_exhaustive()
    }
}

impl Waiter {
    fn turn(&self) -> Nanos {
        self.turn.load(Ordering::Acquire)
    }

    /// Tells it that there may be an earlier turn, or with 0 that its turn has changed.
    pub(super) fn hear(&self, word: u32) {
        self.heard.store(word, Ordering::Release);
        self.wake.notify_one();
    }
}

/// The books of several limiters, locked in the order of their addresses.
struct Books {
    locked: Vec<(&'static Limiter, MutexGuard<'static, Book>)>,
    /// Who is woken once the locks are given back, and how.
    wake: Vec<(Arc<Waiter>, u32)>,
}

/// A moment at which every limit has room.
struct Found {
    turn: Nanos,
    /// How much later it is for the sake of each part, and the part that was the last to make it later.
    moved: [Nanos; MAX_RATE_LIMITS],
    last: usize,
}

impl Books {
    fn lock(limiters: impl Iterator<Item = &'static Limiter>) -> Self {
        let mut limiters: Vec<_> = limiters.collect();
        limiters.sort_unstable_by_key(|limiter| std::ptr::from_ref(*limiter).addr());
        limiters.dedup_by(|one, other| std::ptr::eq(*one, *other));
        Self {
            locked: limiters.into_iter().map(|limiter| (limiter, limiter.book())).collect(),
            wake: Vec::new(),
        }
    }

    fn book(&mut self, limiter: &Limiter) -> &mut Book {
        let same = self.locked.iter().position(|(locked, _)| std::ptr::eq(*locked, limiter));
        // Every caller has locked what it asks for.
        &mut self.locked[same.unwrap_or(0)].1
    }

    fn calendar(&mut self, part: &Part, now: Nanos) -> &mut Calendar<Arc<Waiter>> {
        self.book(part.limiter).open(part.limiter, part.lane, now)
    }

    /// One part for each lane; limits that are switched off have none.
    fn parts(&mut self, asked: &[Asked], now: Nanos) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::with_capacity(asked.len());
        for &Asked { limiter, charge, position } in asked {
            if limiter.is_off() {
                continue;
            }
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
    fn search(&mut self, parts: &[Part], now: Nanos, from: Nanos) -> Result<Found, usize> {
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

    fn insert(&mut self, waiter: &Arc<Waiter>, turn: Nanos, now: Nanos) {
        for part in &waiter.parts {
            let gcra = part.limiter.gcra();
            if !gcra.is_off() {
                self.calendar(part, now).insert(&gcra, turn, part.cost, Arc::clone(waiter));
            }
        }
        waiter.turn.store(turn, Ordering::Release);
    }

    fn remove(&mut self, waiter: &Arc<Waiter>, now: Nanos) {
        let turn = waiter.turn();
        for part in &waiter.parts {
            let gcra = part.limiter.gcra();
            self.calendar(part, now).remove(&gcra, turn, |other| Arc::ptr_eq(other, waiter));
        }
    }

    /// Tells the first callers from `turn` on that there is a gap before them.
    fn tell_of_gap(&mut self, parts: &[Part], turn: Nanos, now: Nanos) {
        for part in parts {
            let heirs: Vec<_> = self.calendar(part, now).from(turn).take(HEIRS).cloned().collect();
            self.wake.extend(heirs.into_iter().map(|heir| (heir, 1)));
        }
    }

    /// Passes the word on to the next caller in each lane.
    fn pass_on(&mut self, waiter: &Arc<Waiter>, word: u32, now: Nanos) {
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

    /// Gives the locks back, then wakes those who are concerned.
    fn finish(mut self, parts: &[Part]) {
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

/// Charges a call to all of its limits for the first moment that suits them, if none has to make it wait longer than it
/// may and that moment is not later than `until`. A refusal is counted; what passes is counted by
/// [`Limiter::count_allowed`].
#[cold]
pub(crate) fn enter(asked: &[Asked], now: Nanos, until: Nanos) -> Entered {
    if let Some(refused) = refuse_at_once(asked, now, until) {
        return refused;
    }
    let mut books = Books::lock(asked.iter().map(|asked| asked.limiter));
    let parts = books.parts(asked, now);
    let longest = parts.iter().map(|part| part.limiter.patience()).max().unwrap_or(0);
    let latest = now.saturating_add(longest).min(until).min(FAR);
    let found = books.search(&parts, now, now);
    let impatient = |found: &Found| {
        let too_long = |at: &usize| found.moved[*at] > parts[*at].limiter.patience();
        (0..parts.len()).find(too_long).or((found.turn > latest && found.turn > now).then_some(found.last))
    };
    let refused = match &found {
        Err(at) => Some((*at, NEVER)),
        Ok(found) => impatient(found).map(|at| (at, found.turn - now)),
    };
    let entered = match (refused, found) {
        (Some((at, retry_after)), _) => books.refusal(&parts[at], retry_after, now),
        (None, Ok(found)) if found.turn > now => {
            static ORDER: Counter = Counter::new(0);
            let waiter = Arc::new(Waiter {
                parts: parts.into_boxed_slice(),
                order: ORDER.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                until: latest,
                turn: AtomicU64::new(REFUSED),
                heard: AtomicU32::new(0),
                wake: Notify::new(),
            });
            books.insert(&waiter, found.turn, now);
            books.finish(&waiter.parts);
            return Entered::Later(Reservation(waiter));
        }
        _ => {
            for part in &parts {
                let gcra = part.limiter.gcra();
                books.calendar(part, now).pass(&gcra, part.cost, now);
            }
            Entered::Now
        }
    };
    books.finish(&parts);
    entered
}

impl Books {
    fn refusal(&mut self, part: &Part, retry_after: Nanos, now: Nanos) -> Entered {
        let gcra = part.limiter.gcra();
        let remaining = self.calendar(part, now).remaining(&gcra, now);
        part.limiter.count_refused();
        Entered::Refused(part.position, Refused { retry_after, remaining })
    }
}

/// Refuses without a lock where nobody waits and this call may not wait either.
fn refuse_at_once(asked: &[Asked], now: Nanos, until: Nanos) -> Option<Entered> {
    if until > now && asked.iter().any(|asked| asked.limiter.patience() > 0) {
        return None;
    }
    let mut worst: Option<(u8, Refused, &Limiter)> = None;
    for asked in asked {
        let refused = match asked.limiter.without_waiting(asked.charge, now) {
            WithoutWaiting::Admits => continue,
            WithoutWaiting::Refuses(refused) => refused,
            WithoutWaiting::Unknown => return None,
        };
        if worst.as_ref().is_none_or(|(_, worst, _)| refused.retry_after > worst.retry_after) {
            worst = Some((asked.position, refused, asked.limiter));
        }
    }
    let (position, refused, limiter) = worst?;
    limiter.count_refused();
    Some(Entered::Refused(position, refused))
}

/// The turn of a call in all of its limits; given up when it is dropped before it came.
#[must_use]
pub(crate) struct Reservation(Arc<Waiter>);

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a call that waits stands.
pub(crate) enum Look {
    /// Its turn has come.
    Passed,
    /// Look again at this moment, or when [`Reservation::changed`] completes.
    Waits(Nanos),
    /// Numbers have changed, and its turn would come too late.
    Refused(u8, Refused),
}

impl Reservation {
    /// When its turn comes, as it stands.
    pub(crate) fn turn(&self) -> Nanos {
        self.0.turn()
    }

    /// Completes when there may be another turn.
    pub(crate) async fn changed(&self) {
        self.0.wake.notified().await;
    }

    /// Looks whether the turn has come, and for an earlier one where there may be one.
    pub(crate) fn look(&self, now: Nanos) -> Look {
        let waiter = &self.0;
        match (waiter.turn(), waiter.heard.load(Ordering::Acquire)) {
            (REFUSED, _) => self.refused(now),
            (turn, _) if turn <= now => self.pass(now),
            (turn, 0) => Look::Waits(turn),
            (_, word) => self.move_up(word, now),
        }
    }

    #[cold]
    fn refused(&self, now: Nanos) -> Look {
        let mut books = self.books();
        let parts = &self.0.parts;
        let (at, retry_after) = match books.search(parts, now, now) {
            Ok(found) => (found.last, found.turn - now),
            Err(at) => (at, NEVER),
        };
        let refused = books.refusal(&parts[at], retry_after, now);
        books.finish(parts);
        match refused {
            Entered::Refused(position, refused) => Look::Refused(position, refused),
            Entered::Now | Entered::Later(_) => Look::Passed,
        }
    }

    fn books(&self) -> Books {
        Books::lock(self.0.parts.iter().map(|part| part.limiter))
    }

    /// What has passed is no longer waiting, in any lane.
    fn pass(&self, now: Nanos) -> Look {
        let mut books = self.books();
        // It may have been given another turn since.
        if self.0.turn() > now {
            drop(books);
            return self.look(now);
        }
        for part in &self.0.parts {
            books.calendar(part, now);
        }
        self.0.turn.store(PASSED, Ordering::Release);
        books.finish(&self.0.parts);
        Look::Passed
    }

    #[cold]
    fn move_up(&self, word: u32, now: Nanos) -> Look {
        let waiter = &self.0;
        let mut books = self.books();
        let turn = waiter.turn();
        if turn <= now || turn == REFUSED {
            drop(books);
            return self.look(now);
        }
        // Gaps further ahead are for those before it.
        let places = HEIRS + (word >> 8) as usize;
        let parts = &waiter.parts;
        let ahead = parts.iter().map(|part| books.calendar(part, now).ahead(turn, places)).max().unwrap_or(0);
        books.remove(waiter, now);
        let earlier = books.search(parts, now, ahead).map_or(turn, |found| found.turn.min(turn));
        let between =
            parts.iter().map(|part| books.calendar(part, now).between(earlier, turn)).max().unwrap_or(0);
        let lead = LEAD - STEP * between.min(HEIRS - 1) as Nanos;
        let soon = earlier <= now.saturating_add(lead);
        let takes = if soon { earlier } else { turn };
        books.insert(waiter, takes, now);
        if earlier == turn || soon {
            waiter.heard.store(0, Ordering::Release);
        }
        if earlier == turn {
            books.pass_on(waiter, word, now);
        } else if soon {
            books.tell_of_gap(parts, turn, now);
        }
        books.finish(&waiter.parts);
        match (earlier < turn, soon) {
            (true, true) if takes <= now => self.pass(now),
            (true, false) => Look::Waits((earlier - lead).min(turn)),
            _ => Look::Waits(takes),
        }
    }

    /// Gives the turn up.
    pub(crate) fn give_up(self, now: Nanos) {
        self.leave(now);
        self.0.turn.store(PASSED, Ordering::Release);
    }

    /// Takes the charges out of every calendar, if the turn has not come.
    fn leave(&self, now: Nanos) {
        let waiter = &self.0;
        if matches!(waiter.turn(), PASSED | REFUSED) {
            return;
        }
        let mut books = self.books();
        let turn = waiter.turn();
        if turn != REFUSED {
            books.remove(waiter, now);
            if turn > now {
                books.tell_of_gap(&waiter.parts, turn, now);
            }
        }
        books.finish(&waiter.parts);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.leave(clock::now());
    }
}

impl Limiter {
    /// Gives new turns to everybody who waits, under the numbers that are in force now.
    pub(super) fn reschedule(&self, now: Nanos) {
        let mut limiters: Vec<&'static Limiter> = Vec::new();
        loop {
            let mut books = Books::lock(limiters.iter().copied());
            let waiters = if limiters.is_empty() { all(&self.book()) } else { all(books.book(self)) };
            let concerned = waiters.iter().flat_map(|waiter| &waiter.parts).map(|part| part.limiter);
            let missing: Vec<_> = concerned
                .filter(|limiter| !books.locked.iter().any(|(locked, _)| std::ptr::eq(*locked, *limiter)))
                .collect();
            if !missing.is_empty() {
                limiters.extend(missing);
                continue;
            }
            for waiter in &waiters {
                books.remove(waiter, now);
            }
            for waiter in &waiters {
                match books.search(&waiter.parts, now, now) {
                    Ok(found) if found.turn <= waiter.until || found.turn == now => {
                        books.insert(waiter, found.turn, now);
                    }
                    _ => waiter.turn.store(REFUSED, Ordering::Release),
                }
                books.wake.push((Arc::clone(waiter), 0));
            }
            for waiter in &waiters {
                for part in &waiter.parts {
                    books.book(part.limiter).close(part.limiter, part.lane);
                }
            }
            books.finish(&[]);
            return;
        }
    }
}

/// Everybody who waits, in the order of their coming.
fn all(book: &Book) -> Vec<Arc<Waiter>> {
    let mut waiters: Vec<_> = book.waiting().cloned().collect();
    waiters.sort_by_key(|waiter| waiter.order);
    waiters.dedup_by(|one, other| Arc::ptr_eq(one, other));
    waiters
}

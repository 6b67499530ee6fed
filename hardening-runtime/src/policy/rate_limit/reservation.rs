//! A call that waits for its turn: it may move up, be given another turn, or leave.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Notify;

use super::Refused;
use super::books::{Books, HEIRS, Part};
use crate::clock::{self, NEVER, Nanos};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// So long before a gap comes, the first caller behind it may take it: timers are late by a few milliseconds.
pub(super) const LEAD: Nanos = 8_000_000;
/// The next ones behind it take it that much later, in case the first one is not polled.
const STEP: Nanos = 1_000_000;
/// A caller without a turn looks for one after this time, and then each time that it has waited for twice as long: should those who
/// were told of a turn not be polled.
const AGAIN: Nanos = 50_000_000;
/// The turn of a caller that has passed, of one that is refused after all, and of one that has none.
const PASSED: Nanos = 0;
pub(super) const REFUSED: Nanos = NEVER;
pub(super) const ASIDE: Nanos = NEVER - 1;

/// A call that waits.
pub(super) struct Waiter {
    pub(super) parts: Box<[Part]>,
    /// Who came first goes first when the numbers change.
    pub(super) order: u64,
    pub(super) came: Nanos,
    /// The latest turn that it may be given.
    pub(super) until: Nanos,
    /// Which part makes it wait for the longest.
    pub(super) binds: AtomicU32,
    /// How much later than its turn it may begin.
    pub(super) late: Nanos,
    /// Changed under the locks of all its limits.
    pub(super) turn: AtomicU64,
    /// Above 0 when it has heard that there may be an earlier turn; 256 for each that passed the word on.
    pub(super) heard: AtomicU32,
    /// When the caller before it loses its turn if it is not polled.
    pub(super) watches: AtomicU64,
    pub(super) wake: Notify,
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("order", &self.order).finish_non_exhaustive()
    }
}

impl Waiter {
    pub(super) fn turn(&self) -> Nanos {
        self.turn.load(Ordering::Acquire)
    }

    /// Whether it has not begun.
    pub(super) fn waits(&self) -> bool {
        self.turn() != PASSED
    }

    /// Notes which part makes it wait for the longest.
    pub(super) fn bind(&self, part: usize) {
        self.binds.store(part as u32, Ordering::Relaxed);
    }

    /// The part that makes it wait for the longest.
    pub(super) fn bound_by(&self) -> &Part {
        &self.parts[self.binds.load(Ordering::Relaxed) as usize]
    }

    /// Whether the lane of this part makes it wait for the longest.
    pub(super) fn is_bound_by(&self, part: &Part) -> bool {
        let bound = self.bound_by();
        std::ptr::eq(bound.limiter, part.limiter) && bound.lane == part.lane
    }

    /// Tells it that there may be an earlier turn, or with 0 that its turn has changed.
    pub(super) fn hear(&self, word: u32) {
        self.heard.store(word, Ordering::Release);
        self.wake.notify_one();
    }
}

/// The turn of a call in all of its limits; given up when it is dropped before it came.
#[must_use]
pub(crate) struct Reservation(pub(super) Arc<Waiter>);

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
            (ASIDE, _) => self.come_back(now),
            (turn, _) if turn <= now => self.pass(now),
            (_, 0) if waiter.watches.load(Ordering::Acquire) <= now => self.watch(now),
            (turn, 0) => Look::Waits(turn.min(waiter.watches.load(Ordering::Acquire))),
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
        let refused = books.refused(&parts[at], retry_after, now);
        books.finish(parts);
        refused
    }

    fn books(&self) -> Books {
        Books::lock(self.0.parts.iter().map(|part| part.limiter))
    }

    /// What has passed is no longer waiting, in any lane.
    fn pass(&self, now: Nanos) -> Look {
        let mut books = self.books();
        let turn = self.0.turn();
        // It may have been given another turn since.
        if turn > now {
            drop(books);
            return self.look(now);
        }
        if now - turn >= self.0.late {
            return self.enter_anew(books, now);
        }
        books.claim(&self.0, turn, now);
        self.0.turn.store(PASSED, Ordering::Release);
        books.finish(&self.0.parts);
        Look::Passed
    }

    /// A caller without a turn takes one if it is the next, or waits on.
    #[cold]
    fn come_back(&self, now: Nanos) -> Look {
        let waiter = &self.0;
        let mut books = self.books();
        if waiter.turn() != ASIDE {
            drop(books);
            return self.look(now);
        }
        books.remove(waiter, now);
        if now >= waiter.until {
            waiter.turn.store(REFUSED, Ordering::Release);
            books.finish(&waiter.parts);
            return self.refused(now);
        }
        let look = self.place(&mut books, now);
        books.finish(&waiter.parts);
        look
    }

    /// Takes the turn that its place in the order allows for, if there is one.
    fn place(&self, books: &mut Books, now: Nanos) -> Look {
        let waiter = &self.0;
        match books.place(waiter, now) {
            Some(turn) if turn <= now => {
                books.claim(waiter, turn, now);
                waiter.turn.store(PASSED, Ordering::Release);
                Look::Passed
            }
            Some(turn) => {
                // There may be another one soon.
                if turn <= now + LEAD {
                    books.shuffle(waiter, now);
                }
                Look::Waits(turn)
            }
            None => Look::Waits(waiter.until.min(now + now.saturating_sub(waiter.came).max(AGAIN))),
        }
    }

    /// Looks whether the caller before it has lost its turn.
    #[cold]
    fn watch(&self, now: Nanos) -> Look {
        let waiter = &self.0;
        let mut books = self.books();
        waiter.watches.store(NEVER, Ordering::Release);
        for part in &waiter.parts {
            books.calendar(part, now);
        }
        books.finish(&waiter.parts);
        self.look(now)
    }

    /// A caller that has lost its turn passes where there is room now, or gets another turn.
    #[cold]
    fn enter_anew(&self, mut books: Books, now: Nanos) -> Look {
        let parts = &self.0.parts;
        let lost = self.0.turn();
        books.remove(&self.0, now);
        books.tell_of_gap(parts, lost, now);
        let look = match books.search(parts, now, now) {
            Ok(found) if found.turn <= now => {
                books.pass(parts, now);
                self.0.turn.store(PASSED, Ordering::Release);
                Look::Passed
            }
            Ok(found) if found.turn <= self.0.until => self.place(&mut books, now),
            found => {
                let (at, retry_after) =
                    found.map_or_else(|at| (at, NEVER), |found| (found.last, found.turn - now));
                self.0.turn.store(REFUSED, Ordering::Release);
                books.refused(&parts[at], retry_after, now)
            }
        };
        books.finish(parts);
        look
    }

    #[cold]
    fn move_up(&self, word: u32, now: Nanos) -> Look {
        let waiter = &self.0;
        let mut books = self.books();
        let turn = waiter.turn();
        if turn <= now || matches!(turn, REFUSED | ASIDE) {
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
        let lead = LEAD.saturating_sub(STEP * between as Nanos);
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
        }
        if !matches!(turn, REFUSED | ASIDE) {
            books.tell_of_gap(&waiter.parts, turn, now);
        }
        books.finish(&waiter.parts);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.leave(clock::now());
    }
}

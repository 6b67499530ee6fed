//! Who waits for a limit: a queue for each key, and one for the callers without a key.
//!
//! While anybody waits, the arrival time itself is marked, so that nobody is admitted past the calendar: what comes then
//! takes the limiter's lock.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::calendar::Calendar;
use super::gcra::Arrival;
use super::keyed::WAITING;
use super::line::Line;
use super::reservation::Waiter;
use super::{Charge, Limiter};
use crate::clock::Nanos;
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;

/// The arrival time that is charged: that of a key or of its bucket, or the one of a limit without keys.
pub(super) type Lane = Option<u64>;

/// Those who wait in one lane.
#[derive(Debug)]
pub(super) struct Queue {
    /// Those with a turn.
    pub(super) calendar: Calendar<Arc<Waiter>>,
    /// Their order, and those without a turn.
    pub(super) line: Line,
}

impl Queue {
    const fn new(tat: Nanos, now: Nanos) -> Self {
        Self { calendar: Calendar::new(tat), line: Line::new(now) }
    }

    fn waiting(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.calendar.waiting().chain(self.line.waiting())
    }
}

/// The queues in use.
#[derive(Debug, Default)]
pub(super) struct Book {
    queues: HashMap<Lane, Queue>,
}

/// Clocks of two threads are no further apart; what is later than a whole burst from now by more than this was charged under
/// other numbers.
const SKEW: Nanos = 1_000_000_000;

impl Book {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// The queue of a lane, which is marked from then on until [`Book::close`].
    pub(super) fn open(&mut self, limiter: &Limiter, lane: Lane, now: Nanos) -> &mut Queue {
        let gcra = limiter.gcra();
        let made = || Queue::new(limiter.without_old_debt(limiter.mark(lane, now), now), now);
        let queue = self.queues.entry(lane).or_insert_with(made);
        queue.calendar.fold(&gcra, now);
        queue
    }

    /// Gives a lane for which nobody waits its arrival time back.
    pub(super) fn close(&mut self, limiter: &Limiter, lane: Lane) {
        if let Some(queue) = self.queues.get(&lane)
            && queue.calendar.is_empty()
            && queue.line.is_empty()
        {
            limiter.unmark(lane, queue.calendar.tat());
            self.queues.remove(&lane);
        }
    }

    /// The lane that a charge belongs to, and whether there was no room for its key.
    pub(super) fn lane(&mut self, limiter: &Limiter, charge: Charge, now: Nanos) -> (Lane, bool) {
        let Some(keyed) = &limiter.keyed else { return (None, false) };
        let lane = Some(charge.key);
        if self.queues.contains_key(&lane) {
            return (lane, false);
        }
        let (place, tat) = keyed.open(charge.key, now);
        let lane = Some(place.key);
        let made = || Queue::new(limiter.without_old_debt(tat, now), now);
        self.queues.entry(lane).or_insert_with(made);
        (lane, place.is_bucket)
    }

    /// Everybody who waits.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.queues.values().flat_map(Queue::waiting)
    }

    /// Forgets everything; those who wait keep their turns.
    #[cfg(feature = "testing")]
    pub(super) fn clear(&mut self) {
        self.queues.clear();
    }

    /// What has come is charged under the numbers that were in force until now.
    pub(super) fn settle(&mut self, limiter: &Limiter, now: Nanos) {
        let gcra = limiter.gcra();
        self.queues.values_mut().for_each(|queue| queue.calendar.settle(&gcra, now));
    }

    /// Other numbers.
    pub(super) fn tune(&mut self, limiter: &Limiter, now: Nanos) {
        let gcra = limiter.gcra();
        self.queues.values_mut().for_each(|queue| queue.calendar.tune(&gcra, now));
    }
}

impl Limiter {
    /// What of this limiter changes when somebody waits.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        // Whatever panicked, the calendars were whole: only numbers are written under the lock.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, lane: Lane, now: Nanos) -> Nanos {
        match (&self.keyed, lane) {
            (Some(keyed), Some(lane)) => keyed.reopen(lane, now),
            _ => self.shared.fetch_or(WAITING, Ordering::AcqRel) & !WAITING,
        }
    }

    fn unmark(&self, lane: Lane, tat: Nanos) {
        match (&self.keyed, lane) {
            (Some(keyed), Some(lane)) => keyed.close(lane, tat),
            _ => self.shared.store(tat, Ordering::Release),
        }
    }

    /// A charge that was being made while the numbers changed may have been made under the old ones.
    fn without_old_debt(&self, tat: Nanos, now: Nanos) -> Nanos {
        let most = now.saturating_add(self.gcra().tolerance);
        if tat > most.saturating_add(SKEW) { most } else { tat }
    }

    /// Whether the state in this word is not the whole truth.
    pub(super) fn needs_book(&self, word: Nanos, now: Nanos) -> bool {
        word >= WAITING || self.without_old_debt(word, now) != word
    }

    /// Decides at once about a charge whose lane is marked.
    #[cold]
    pub(super) fn arrive_by_book(&self, lane: Lane, cost: u32, now: Nanos) -> Arrival {
        let gcra = self.gcra();
        let mut book = self.book();
        let calendar = &mut book.open(self, lane, now).calendar;
        let arrival = match calendar.earliest(&gcra, cost, now) {
            None => Arrival::Exceeds { retry_after: None },
            Some(turn) if turn > now => Arrival::Exceeds { retry_after: Some(turn - now) },
            Some(_) => Arrival::Conforms { tat: calendar.pass(&gcra, cost, now) },
        };
        book.close(self, lane);
        arrival
    }

    /// Gives back a charge of a lane that was marked since.
    #[cold]
    pub(super) fn refund_by_book(&self, lane: Lane, cost: u32, now: Nanos) {
        let gcra = self.gcra();
        let mut book = self.book();
        let queue = book.open(self, lane, now);
        queue.calendar.refund(&gcra, cost);
        let first = queue.line.newest().chain(queue.calendar.waiting()).next().cloned();
        book.close(self, lane);
        drop(book);
        if let Some(first) = first {
            first.hear(1);
        }
    }

    /// Units left at once in a lane that is marked.
    #[cold]
    pub(super) fn remaining_by_book(&self, lane: Lane, now: Nanos) -> u32 {
        let gcra = self.gcra();
        let mut book = self.book();
        let left = book.open(self, lane, now).calendar.remaining(&gcra, now);
        book.close(self, lane);
        left
    }
}

//! One turn for all limits of a call: the first moment at which each of them has room, charged in each of them for just
//! that moment.
//!
//! A caller that leaves takes its charges out of every calendar. The gaps are for whoever comes and would wait; those
//! that nobody has taken shortly before they come are taken by the callers behind, one after the other.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as Counter;

use tokio::sync::Notify;

use super::book::Book;
use super::books::{Books, Part};
use super::reservation::{REFUSED, Reservation, Waiter};
use super::{Charge, Limiter, Refused, WithoutWaiting};
use crate::clock::{NEVER, Nanos};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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

/// Charges a call to all of its limits for the first moment that suits them, if none has to make it wait longer than it
/// may and that moment is not later than `until`. A refusal is counted; what passes is counted by
/// [`Limiter::count_allowed`].
#[cold]
pub(crate) fn enter(asked: &[Asked], now: Nanos, until: Nanos) -> Entered {
    if let Some(refused) = refuse_at_once(asked, now, until) {
        return refused;
    }
    let mut books = Books::lock(asked.iter().map(|asked| asked.limiter));
    let (off, limiting): (Vec<_>, Vec<_>) = asked.iter().partition(|asked| asked.limiter.is_off());
    let mut parts = books.parts(&limiting, now);
    let longest = parts.iter().map(|part| part.limiter.patience()).max().unwrap_or(0);
    let latest = now.saturating_add(longest).min(until).min(FAR);
    let found = books.search(&parts, now, now);
    let refused = match &found {
        Err(at) => Some((*at, NEVER)),
        Ok(found) if found.turn > now => books.impatient(&parts, found, latest, now),
        Ok(_) => None,
    };
    let entered = match (refused, found) {
        (Some((at, retry_after)), _) => books.refusal(&parts[at], retry_after, now),
        (None, Ok(found)) if found.turn > now => {
            static ORDER: Counter = Counter::new(0);
            let late = late(&parts);
            // A limit that is switched on while it waits charges it.
            parts.extend(books.parts(&off, now));
            let waiter = Arc::new(Waiter {
                late,
                parts: parts.into_boxed_slice(),
                order: ORDER.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                came: now,
                until: latest,
                binds: AtomicU32::new(0),
                turn: AtomicU64::new(REFUSED),
                heard: AtomicU32::new(0),
                watches: AtomicU64::new(NEVER),
                wake: Notify::new(),
            });
            let refused = if books.place(&waiter, now).is_none() && books.expected(&waiter, now) > latest {
                books.remove(&waiter, now);
                Some(books.refusal(waiter.bound_by(), found.turn - now, now))
            } else {
                None
            };
            books.finish(&waiter.parts);
            return refused.unwrap_or_else(|| Entered::Later(Reservation(waiter)));
        }
        _ => {
            books.pass(&parts, now);
            Entered::Now
        }
    };
    books.finish(&parts);
    entered
}

/// So late may a caller be for its turn: timers are late by a few milliseconds, and a busy machine by some more. Where the fastest of
/// its limits gives a turn more rarely, it may be late by this share of that, up to a second: losing its turn costs it more.
const LATE: Nanos = 50_000_000;
const SHARE: Nanos = 8;
const LATEST: Nanos = 1_000_000_000;

fn late(parts: &[Part]) -> Nanos {
    let fastest = parts.iter().map(|part| part.limiter.gcra().emission).min().unwrap_or(0);
    (fastest / SHARE).clamp(LATE, LATEST)
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
                        waiter.bind(found.last);
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
    let mut waiters: Vec<_> = book.waiting().filter(|waiter| waiter.waits()).cloned().collect();
    waiters.sort_by_key(|waiter| waiter.order);
    waiters.dedup_by(|one, other| Arc::ptr_eq(one, other));
    waiters
}

//! The callers in front of a full bulkhead: their order, and which of them have been offered a permit.
//!
//! The queue is first in, first out until it is overloaded: until a caller that joined more than [`STANDING`] after the queue was
//! last empty is the next one. From then on the newest is served first, until the queue is empty: callers that have waited for long
//! may have left without our knowledge, and those who come now can still be answered in time.
//!
//! A permit is offered and the caller woken; one that is not polled within [`GRACE`] is passed over, and is served again as soon as
//! it is polled. Pure logic under the lock of the bulkhead, which counts permits and callers and wakes them.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::clock::{Nanos, Runtime};

/// A queue that has not been empty for so long is no burst any more.
pub(super) const STANDING: Nanos = 100_000_000;

/// How long an offered permit waits for its caller to be polled.
pub(super) const GRACE: Nanos = 10_000_000;

/// The queue of one bulkhead. Each caller is in exactly one of the three maps, under the number of its ticket.
#[derive(Debug, Default)]
pub(super) struct Line {
    tickets: u64,
    /// Callers that wait and can be offered a permit.
    ready: BTreeMap<u64, Waiter>,
    /// Callers that were offered a permit and have not been polled since. The permit counts as taken.
    offered: BTreeMap<u64, Offer>,
    /// Callers that were passed over: not polled in time, or beyond their patience.
    passed: BTreeMap<u64, Waiter>,
    /// When a caller joined the empty queue last.
    since: Nanos,
    overloaded: bool,
    /// When a timer is to look at the offers.
    watched: Option<Nanos>,
}

/// So many callers at either end of the queue are looked at for runtimes that may watch over the offers, and so many watch.
const LOOKED_AT: usize = 64;
const WATCHES: usize = 4;

#[derive(Debug)]
pub(super) struct Waiter {
    joined: Nanos,
    /// The last moment at which it may be offered a permit.
    until: Nanos,
    waker: Option<Waker>,
    /// The runtime that polls it.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Offer {
    waiter: Waiter,
    at: Nanos,
}

/// What a caller that is polled finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// A permit that was offered to it, or to another that has not been polled yet.
    Permit,
    /// It was passed over: a free permit would be its own.
    IfFree,
    Waits,
}

impl Line {
    /// Puts a caller at the end; answers its ticket.
    pub(super) fn join(&mut self, now: Nanos, until: Nanos, runtime: Option<Runtime>) -> u64 {
        self.tickets += 1;
        self.enter(self.tickets, Waiter { joined: now, until, waker: None, runtime }, now);
        self.tickets
    }

    fn enter(&mut self, ticket: u64, waiter: Waiter, now: Nanos) {
        if self.ready.is_empty() {
            (self.since, self.overloaded) = (now, false);
        }
        self.ready.insert(ticket, waiter);
    }

    /// Whether somebody waits who can be offered a permit.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes out the next caller that a permit may be offered to.
    pub(super) fn next(&mut self, now: Nanos) -> Option<(u64, Waiter)> {
        loop {
            let first = self.ready.first_key_value()?.1;
            self.overloaded |= first.joined > self.since.saturating_add(STANDING);
            let next = if self.overloaded { self.ready.pop_last() } else { self.ready.pop_first() };
            let (ticket, waiter) = next?;
            if now <= waiter.until {
                return Some((ticket, waiter));
            }
            // Its own timer ends its wait.
            self.passed.insert(ticket, waiter);
        }
    }

    /// Puts a caller back that was taken out.
    pub(super) fn put_back(&mut self, (ticket, waiter): (u64, Waiter)) {
        self.ready.insert(ticket, waiter);
    }

    /// Offers a permit to a caller that was taken out; answers what wakes it.
    pub(super) fn offer(&mut self, (ticket, mut waiter): (u64, Waiter), now: Nanos) -> Option<Waker> {
        let waker = waiter.waker.take();
        self.offered.insert(ticket, Offer { waiter, at: now });
        waker
    }

    /// Offers the permits of callers that were not polled in time to others, as long as there are any.
    pub(super) fn pass_on(&mut self, now: Nanos, woken: &mut Vec<Waker>) {
        while let Some(late) = self.late(now)
            && let Some(next) = self.next(now)
        {
            self.pass_over(late);
            woken.extend(self.offer(next, now));
        }
    }

    /// The first caller that was not polled in time.
    fn late(&self, now: Nanos) -> Option<u64> {
        let late = |offer: &Offer| now >= offer.at.saturating_add(GRACE);
        self.offered.iter().find(|(_, offer)| late(offer)).map(|(ticket, _)| *ticket)
    }

    fn pass_over(&mut self, ticket: u64) {
        if let Some(offer) = self.offered.remove(&ticket) {
            self.passed.insert(ticket, offer.waiter);
        }
    }

    /// Takes a permit from a caller that was not polled in time; it waits again.
    pub(super) fn take_late(&mut self, now: Nanos) -> bool {
        let late = self.late(now);
        if let Some(late) = late {
            self.pass_over(late);
        }
        late.is_some()
    }

    /// A caller is polled. Answers the waker that is not needed any more as well, which must be dropped without the lock.
    pub(super) fn claim(&mut self, ticket: u64, now: Nanos, waker: &Waker) -> (Claim, Option<Waker>) {
        if let Some(offer) = self.offered.get_mut(&ticket) {
            if now <= offer.waiter.until {
                self.offered.remove(&ticket);
                return (Claim::Permit, None);
            }
            return (Claim::Waits, offer.waiter.waker.replace(waker.clone()));
        }
        if let Some(waiter) = self.ready.get_mut(&ticket) {
            let same = waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker));
            return (Claim::Waits, if same { None } else { waiter.waker.replace(waker.clone()) });
        }
        let Some(waiter) = self.passed.get_mut(&ticket) else { return (Claim::Waits, None) };
        let before = waiter.waker.replace(waker.clone());
        if now > waiter.until {
            return (Claim::Waits, before);
        }
        // It came before the caller that has the permit now, and was polled before it.
        if let Some((other, offer)) = self.offered.pop_first() {
            self.passed.remove(&ticket);
            self.enter(other, offer.waiter, now);
            return (Claim::Permit, before);
        }
        (Claim::IfFree, before)
    }

    /// After [`Claim::IfFree`]: it has got a permit, or waits like others.
    pub(super) fn settle(&mut self, ticket: u64, got: bool, now: Nanos) {
        if let Some(waiter) = self.passed.remove(&ticket)
            && !got
        {
            self.enter(ticket, waiter, now);
        }
    }

    /// A caller leaves; answers whether a permit was offered to it, and its waker.
    pub(super) fn leave(&mut self, ticket: u64) -> (bool, Option<Waker>) {
        if let Some(offer) = self.offered.remove(&ticket) {
            return (true, offer.waiter.waker);
        }
        let waiter = self.ready.remove(&ticket).or_else(|| self.passed.remove(&ticket));
        (false, waiter.and_then(|waiter| waiter.waker))
    }

    /// Begins a watch over the offers where others wait for what is offered; answers the runtimes for its timers. A runtime may not be
    /// driven any more, so these are the one that is driven now and those of callers who would be served next.
    pub(super) fn begin_watch(&mut self, now: Nanos) -> Vec<Runtime> {
        if !self.needs_watch(now) {
            return Vec::new();
        }
        let mut runtimes: Vec<Runtime> = Runtime::current().into_iter().collect();
        let waiting = self.ready.values().take(LOOKED_AT).chain(self.ready.values().rev().take(LOOKED_AT));
        for runtime in waiting.filter_map(|waiter| waiter.runtime.as_ref()) {
            if runtimes.len() < WATCHES && !runtimes.iter().any(|known| known.is(runtime)) {
                runtimes.push(runtime.clone());
            }
        }
        if !runtimes.is_empty() {
            self.watched = Some(now.saturating_add(GRACE));
        }
        runtimes
    }

    /// Whether a permit is offered for which others wait, and no timer is to look at that, or one that is late: its runtime is not
    /// driven any more.
    fn needs_watch(&self, now: Nanos) -> bool {
        let watched = self.watched.is_some_and(|look| now < look.saturating_add(GRACE));
        !watched && !self.offered.is_empty() && !self.ready.is_empty()
    }

    /// The timer has looked, or never will.
    pub(super) fn end_watch(&mut self) {
        self.watched = None;
    }
}

#[cfg(test)]
mod tests;

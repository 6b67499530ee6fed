//! What happened last, for whoever looks: refusals of calls and changes of circuits, in rings of fixed size.
//!
//! Only what is slow already is written down. A refusal that finds the ring taken is counted and not waited for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use crate::clock::{self, Nanos};

/// How many of each kind are kept.
pub(crate) const KEPT: usize = 256;

/// Refusals of one kind that follow each other within this time are one entry.
const ONE_EPISODE: Nanos = 10_000_000_000;

/// How many entries back a refusal looks for those of its kind.
const LOOKS_BACK: usize = 32;

/// A change of a circuit's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// How many there were before.
    pub(crate) number: u64,
    pub(crate) at: Nanos,
    pub(crate) circuit: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

/// Refusals of one kind by one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusals {
    /// How many entries there were before.
    pub(crate) number: u64,
    pub(crate) first: Nanos,
    pub(crate) last: Nanos,
    pub(crate) call: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) count: u64,
}

/// The last entries, and how many there were.
#[derive(Debug)]
struct Ring<T> {
    entries: VecDeque<T>,
    number: u64,
}

impl<T> Ring<T> {
    const fn new() -> Self {
        Self { entries: VecDeque::new(), number: 0 }
    }

    fn push(&mut self, make: impl FnOnce(u64) -> T) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(make(self.number));
        self.number += 1;
    }
}

impl Ring<Refusals> {
    fn refused(&mut self, call: &'static str, kind: &'static str, now: Nanos) {
        let same = |entry: &&mut Refusals| entry.call == call && entry.kind == kind;
        let before = self.entries.iter_mut().rev().take(LOOKS_BACK).find(same);
        if let Some(entry) = before
            && now.saturating_sub(entry.last) < ONE_EPISODE
        {
            entry.last = now.max(entry.last);
            entry.count += 1;
            return;
        }
        self.push(|number| Refusals { number, first: now, last: now, call, kind, count: 1 });
    }
}

static TRANSITIONS: Mutex<Ring<Transition>> = Mutex::new(Ring::new());
static REFUSALS: Mutex<Ring<Refusals>> = Mutex::new(Ring::new());
static MISSED: AtomicU64 = AtomicU64::new(0);

/// A circuit changed its state.
#[cold]
pub(crate) fn changed(circuit: &'static str, from: &'static str, to: &'static str) {
    let at = clock::now();
    let mut ring = TRANSITIONS.lock().unwrap_or_else(PoisonError::into_inner);
    ring.push(|number| Transition { number, at, circuit, from, to });
}

/// A call was refused.
#[cold]
pub(crate) fn refused(call: &'static str, kind: &'static str) {
    let now = clock::now();
    match REFUSALS.try_lock() {
        Ok(mut ring) => ring.refused(call, kind, now),
        Err(TryLockError::Poisoned(ring)) => ring.into_inner().refused(call, kind, now),
        Err(TryLockError::WouldBlock) => drop(MISSED.fetch_add(1, Ordering::Relaxed)),
    }
}

/// The last changes, oldest first.
pub(crate) fn transitions() -> Vec<Transition> {
    TRANSITIONS.lock().unwrap_or_else(PoisonError::into_inner).entries.iter().copied().collect()
}

/// The last refusals, oldest first, and how many were not written down.
pub(crate) fn refusals() -> (Vec<Refusals>, u64) {
    let ring = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner);
    (ring.entries.iter().copied().collect(), MISSED.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;

    #[test]
    fn refusals_of_one_kind_are_one_entry_until_they_pause() {
        let mut ring = Ring::new();
        for at in [S, 2 * S, 11 * S] {
            ring.refused("a", "timeout", at);
        }
        ring.refused("a", "rate_limited", 11 * S);
        ring.refused("b", "timeout", 11 * S);
        ring.refused("a", "timeout", 21 * S);
        let seen: Vec<_> = ring.entries.iter().map(|entry| (entry.call, entry.kind, entry.count)).collect();
        assert_eq!(
            seen,
            [("a", "timeout", 3), ("a", "rate_limited", 1), ("b", "timeout", 1), ("a", "timeout", 1)]
        );
        assert_eq!((ring.entries[0].first, ring.entries[0].last), (S, 11 * S));
    }

    #[test]
    fn a_ring_keeps_the_last_and_numbers_go_on() {
        let mut ring = Ring::new();
        for at in 0..3 * KEPT as u64 {
            ring.refused("a", "timeout", at * ONE_EPISODE);
        }
        assert_eq!(ring.entries.len(), KEPT);
        assert_eq!(ring.entries.back().map(|entry| entry.number), Some(3 * KEPT as u64 - 1));
    }
}

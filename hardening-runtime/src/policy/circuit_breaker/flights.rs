//! Attempts in flight that a breaker knows one by one: probes, each of which has so much time to answer, and, where
//! `slow_call` is set, calls that may have run longer than that already.
//!
//! A lock, since neither is on the way of a plain call: a closed circuit without `slow_call` does not come here.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::clock::Nanos;
use crate::sync::Mutex;

/// An attempt that is not tracked: one of an earlier generation, or one more than there are numbers.
pub(super) const UNTRACKED: u32 = (1 << 22) - 1;

/// Attempts in flight of one generation.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    generation: u32,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Those whose body runs and is not known to be slow, by the moment at which it began.
    running: BTreeSet<(Nanos, u32)>,
    /// Those that wait for their turn elsewhere, by the moment at which they began to.
    waiting: BTreeSet<(Nanos, u32)>,
    /// Those that are known to be slow.
    slow: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    /// Admitted, and waiting for its turn elsewhere since then: its body does not run.
    Waiting(Nanos),
    /// It has waited for too long, and another was admitted in its place.
    Lapsed,
    Running(Nanos),
    Slow(Nanos),
}

/// What is known of an attempt that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its body began then.
    Ran(Nanos),
    /// Another was admitted in its place.
    Lapsed,
    /// Its body did not begin, or it is not tracked.
    Unknown,
}

impl Inner {
    /// Forgets what is of another generation than this one; false when this one is over.
    fn turn_to(&mut self, generation: u32) -> bool {
        let ahead = generation.wrapping_sub(self.generation);
        if ahead == 0 {
            return true;
        }
        if ahead > u32::MAX / 2 {
            return false;
        }
        *self = Self { generation, ..Self::default() };
        true
    }

    /// Puts another state into a slot; answers what was there.
    fn replace(&mut self, token: u32, next: Slot) -> Option<Slot> {
        let slot = self.slots.get_mut(token as usize)?;
        let before = std::mem::replace(slot, next);
        match before {
            Slot::Running(began) => {
                self.running.remove(&(began, token));
            }
            Slot::Waiting(since) => {
                self.waiting.remove(&(since, token));
            }
            Slot::Slow(_) => self.slow -= 1,
            Slot::Free | Slot::Lapsed => {}
        }
        match next {
            Slot::Running(began) => {
                self.running.insert((began, token));
            }
            Slot::Waiting(since) => {
                self.waiting.insert((since, token));
            }
            Slot::Slow(_) => self.slow += 1,
            Slot::Free | Slot::Lapsed => {}
        }
        Some(before)
    }
}

impl Flights {
    /// An attempt of this generation begins; answers its number.
    pub(super) fn begin(&self, generation: u32, now: Nanos) -> u32 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.turn_to(generation) {
            return UNTRACKED;
        }
        let token = match inner.free.pop() {
            Some(token) => token,
            None if inner.slots.len() < UNTRACKED as usize => {
                inner.slots.push(Slot::Free);
                // Below a number of 22 bits.
                (inner.slots.len() - 1) as u32
            }
            None => return UNTRACKED,
        };
        inner.replace(token, Slot::Running(now));
        token
    }

    /// An attempt waits for its turn elsewhere from `now` on; its body does not run.
    pub(super) fn wait(&self, generation: u32, token: u32, now: Nanos) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation == generation {
            inner.replace(token, Slot::Waiting(now));
        }
    }

    /// The body of an attempt that waited begins at `now`; false when another was admitted in its place.
    pub(super) fn run(&self, generation: u32, token: u32, now: Nanos) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != generation {
            return true;
        }
        let lapsed = inner.slots.get(token as usize) == Some(&Slot::Lapsed);
        if !lapsed {
            inner.replace(token, Slot::Running(now));
        }
        !lapsed
    }

    /// Gives up attempts that have waited since `latest` or longer; answers how many.
    pub(super) fn lapse(&self, generation: u32, latest: Nanos) -> u32 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lapsed = 0;
        while inner.generation == generation
            && let Some((_, token)) = inner.waiting.first().copied().filter(|(since, _)| *since <= latest)
        {
            inner.replace(token, Slot::Lapsed);
            lapsed += 1;
        }
        lapsed
    }

    /// An attempt ends.
    pub(super) fn end(&self, generation: u32, token: u32) -> Ended {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != generation {
            return Ended::Unknown;
        }
        let Some(before) = inner.replace(token, Slot::Free) else { return Ended::Unknown };
        if before != Slot::Free {
            inner.free.push(token);
        }
        match before {
            Slot::Running(began) | Slot::Slow(began) => Ended::Ran(began),
            Slot::Lapsed => Ended::Lapsed,
            Slot::Free | Slot::Waiting(_) => Ended::Unknown,
        }
    }

    /// When the oldest running body began, and the attempt that has waited longest began to wait.
    pub(super) fn first(&self, generation: u32) -> (Option<Nanos>, Option<Nanos>) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != generation {
            return (None, None);
        }
        let since = |set: &BTreeSet<(Nanos, u32)>| set.first().map(|(began, _)| *began);
        (since(&inner.running), since(&inner.waiting))
    }

    /// When the oldest running body began.
    pub(super) fn oldest(&self, generation: u32) -> Option<Nanos> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != generation {
            return None;
        }
        inner.running.first().map(|(began, _)| *began)
    }

    /// How many bodies run that began at `latest` or before.
    pub(super) fn running_since(&self, generation: u32, latest: Nanos) -> u64 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != generation {
            return 0;
        }
        while let Some((began, token)) = inner.running.first().copied().filter(|(began, _)| *began <= latest)
        {
            inner.replace(token, Slot::Slow(began));
        }
        inner.slow
    }

    /// Whether no attempt of this generation is in flight.
    pub(super) fn is_empty(&self, generation: u32) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.generation != generation || inner.free.len() == inner.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_slow_from_their_moment_on_and_counted_once() {
        let flights = Flights::default();
        let tokens = [5, 1, 3].map(|began| flights.begin(7, began));
        assert_eq!((flights.oldest(7), flights.running_since(7, 0)), (Some(1), 0));
        assert_eq!((flights.running_since(7, 1), flights.running_since(7, 1)), (1, 1));
        assert_eq!((flights.running_since(7, 4), flights.oldest(7)), (2, Some(5)));
        assert_eq!(flights.end(7, tokens[1]), Ended::Ran(1));
        assert_eq!(flights.end(7, tokens[1]), Ended::Unknown, "ended twice is ended once");
        assert_eq!((flights.running_since(7, 4), flights.running_since(7, 5)), (1, 2));
        assert_eq!(flights.end(7, tokens[0]), Ended::Ran(5));
        assert!(!flights.is_empty(7));
        assert_eq!(flights.end(7, tokens[2]), Ended::Ran(3));
        assert!(flights.is_empty(7));
        assert_eq!(flights.running_since(7, 100), 0);
    }

    #[test]
    fn a_body_that_waits_does_not_run() {
        let flights = Flights::default();
        let token = flights.begin(1, 10);
        flights.wait(1, token, 12);
        assert_eq!((flights.oldest(1), flights.running_since(1, 100)), (None, 0));
        assert!(!flights.is_empty(1));
        assert_eq!(flights.first(1), (None, Some(12)));
        assert!(flights.run(1, token, 50));
        assert_eq!((flights.oldest(1), flights.running_since(1, 49)), (Some(50), 0));
        flights.wait(1, token, 55);
        assert_eq!(flights.end(1, token), Ended::Unknown);
        assert_eq!(flights.begin(1, 60), token, "its number is free again");
    }

    #[test]
    fn one_that_waits_for_too_long_is_given_up_once_and_keeps_its_number() {
        let flights = Flights::default();
        let tokens = [(); 3].map(|()| flights.begin(1, 0));
        flights.wait(1, tokens[0], 10);
        flights.wait(1, tokens[1], 20);
        assert_eq!((flights.first(1), flights.first(2)), ((Some(0), Some(10)), (None, None)));
        assert_eq!([9, 10, 10].map(|latest| flights.lapse(1, latest)), [0, 1, 0]);
        assert_eq!(flights.lapse(2, 100), 0, "of another generation");
        assert!(!flights.run(1, tokens[0], 30) && flights.run(1, tokens[1], 30));
        assert_eq!(flights.begin(1, 40), 3, "its number is not free");
        assert_eq!(flights.lapse(1, 100), 0, "those that run are none that wait");
        assert_eq!(tokens.map(|token| flights.end(1, token)), [Ended::Lapsed, Ended::Ran(30), Ended::Ran(0)]);
        assert_eq!(flights.end(1, tokens[0]), Ended::Unknown);
        assert_eq!(flights.first(1), (Some(40), None));
    }

    #[test]
    fn a_generation_forgets_the_ones_before_and_takes_nothing_from_them() {
        let flights = Flights::default();
        // Generations come round.
        for generation in [1 << 30, 1 << 31, 3 << 30] {
            flights.begin(generation, 0);
        }
        let old = flights.begin(u32::MAX, 1);
        let new = flights.begin(0, 2);
        assert_eq!((old, new, flights.oldest(0), flights.oldest(u32::MAX)), (0, 0, Some(2), None));
        assert_eq!(flights.begin(u32::MAX, 3), UNTRACKED);
        flights.wait(u32::MAX, old, 3);
        assert!(flights.run(u32::MAX, old, 4));
        assert_eq!((flights.end(u32::MAX, old), flights.running_since(u32::MAX, 9)), (Ended::Unknown, 0));
        assert_eq!((flights.end(0, UNTRACKED), flights.end(0, new)), (Ended::Unknown, Ended::Ran(2)));
        assert!(flights.is_empty(0) && flights.is_empty(u32::MAX));
    }
}

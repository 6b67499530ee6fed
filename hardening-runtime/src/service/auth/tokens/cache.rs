//! When an issuer's keys are fetched, and how long they count: no I/O and no clock.
//!
//! Keys are fetched every `refresh`. A token under a key that is not there asks for a fetch of its own, of which there is
//! one in each `cooldown` whatever clients send; there is never more than one at a time. What fails is tried again
//! after a second, then two, four, up to `cooldown`, and until `stale` has passed the keys before stay in force.

use crate::clock::Nanos;

const SECOND: Nanos = 1_000_000_000;

/// The times of a cache, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) refresh: Nanos,
    pub(super) stale: Nanos,
    pub(super) cooldown: Nanos,
}

/// Why keys are to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is time.
    Due,
    /// A token is signed with a key that is not there.
    UnknownKey,
}

/// The keys `K` as they were fetched last.
#[derive(Debug)]
pub(super) struct Cache<K> {
    times: Times,
    held: Option<(K, Nanos)>,
    fetching: bool,
    /// When the next fetch is due.
    due: Nanos,
    /// When a token may ask for one again.
    askable: Nanos,
    /// Fetches that failed in a row.
    failures: u32,
}

impl<K> Cache<K> {
    /// No keys, and a fetch that is due.
    pub(super) const fn new(times: Times) -> Self {
        Self { times, held: None, fetching: false, due: 0, askable: 0, failures: 0 }
    }

    /// The keys that count now.
    pub(super) fn keys(&self, now: Nanos) -> Option<&K> {
        let (keys, fetched) = self.held.as_ref()?;
        (now.saturating_sub(*fetched) < self.times.stale.max(self.times.refresh)).then_some(keys)
    }

    /// When the keys that are held were fetched.
    pub(super) fn fetched(&self) -> Option<Nanos> {
        self.held.as_ref().map(|(_, fetched)| *fetched)
    }

    /// When the next fetch is due.
    pub(super) const fn due(&self) -> Nanos {
        self.due
    }

    /// Whether a fetch is under way.
    pub(super) const fn fetching(&self) -> bool {
        self.fetching
    }

    /// Whether a fetch is to begin; who is told so begins it, and says how it ended.
    pub(super) fn begin(&mut self, cause: Cause, now: Nanos) -> bool {
        let from = match cause {
            Cause::Due => self.due,
            Cause::UnknownKey => self.askable,
        };
        if self.fetching || now < from {
            return false;
        }
        if cause == Cause::UnknownKey {
            self.askable = now.saturating_add(self.times.cooldown);
        }
        self.fetching = true;
        true
    }

    /// The fetch brought keys.
    pub(super) fn landed(&mut self, keys: K, now: Nanos) {
        self.fetching = false;
        self.failures = 0;
        self.due = now.saturating_add(self.times.refresh);
        if self.held.is_none() {
            // Whoever asked had no keys at all: that was the first fetch, and not one for an unknown key.
            self.askable = now;
        }
        self.held = Some((keys, now));
    }

    /// The fetch brought nothing.
    pub(super) fn failed(&mut self, now: Nanos) {
        self.fetching = false;
        let wait = SECOND.saturating_mul(1 << self.failures.min(20)).min(self.times.cooldown);
        self.failures = self.failures.saturating_add(1);
        self.due = now.saturating_add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { refresh: 600 * SECOND, stale: 3600 * SECOND, cooldown: 30 * SECOND };

    fn at(second: Nanos) -> Nanos {
        second * SECOND
    }

    #[test]
    fn keys_are_fetched_when_due_one_fetch_at_a_time() {
        let mut cache = Cache::new(TIMES);
        assert!(cache.keys(at(1)).is_none());
        assert!(cache.begin(Cause::Due, at(1)));
        assert!(cache.fetching());
        assert!(!cache.begin(Cause::Due, at(1)) && !cache.begin(Cause::UnknownKey, at(1)));
        cache.landed("a", at(2));
        assert_eq!(cache.keys(at(2)), Some(&"a"));
        assert!(!cache.begin(Cause::Due, at(601)));
        assert!(cache.begin(Cause::Due, at(602)));
    }

    #[test]
    fn unknown_keys_ask_once_in_each_cooldown_whatever_comes() {
        let mut cache = Cache::new(TIMES);
        assert!(cache.begin(Cause::Due, 0));
        cache.landed("a", 0);
        let mut fetches = Vec::new();
        for second in 1..=100 {
            if cache.begin(Cause::UnknownKey, at(second)) {
                fetches.push(second);
                cache.landed("a", at(second));
            }
        }
        assert_eq!(fetches, [1, 31, 61, 91]);
    }

    #[test]
    fn a_token_that_brings_the_first_keys_leaves_the_fetch_for_an_unknown_key() {
        let mut cache = Cache::new(TIMES);
        assert!(cache.begin(Cause::UnknownKey, at(1)));
        cache.landed("a", at(1));
        assert!(!cache.begin(Cause::Due, at(1)));
        assert!(cache.begin(Cause::UnknownKey, at(2)), "the issuer may have exchanged its keys since");
        cache.landed("b", at(2));
        assert!(!cache.begin(Cause::UnknownKey, at(3)));
    }

    #[test]
    fn what_fails_is_tried_again_ever_later_and_old_keys_count_for_a_while() {
        let mut cache = Cache::new(TIMES);
        assert!(cache.begin(Cause::Due, 0));
        cache.landed("a", 0);
        let (mut now, mut waits) = (at(600), Vec::new());
        while now < at(3700) {
            assert!(cache.begin(Cause::Due, now));
            cache.failed(now);
            waits.push((cache.due() - now) / SECOND);
            now = cache.due();
            assert_eq!(cache.keys(now).is_some(), now < at(3600), "{}", now / SECOND);
        }
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(cache.begin(Cause::Due, now));
        cache.landed("b", now);
        assert_eq!(cache.keys(now), Some(&"b"));
        assert!(cache.begin(Cause::Due, now + at(600)));
        cache.failed(now + at(600));
        assert_eq!((cache.due() - now) / SECOND, 601, "the count of failures begins anew");
    }
}

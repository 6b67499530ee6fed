//! A limit on requests at once that is found from how much longer than usual they take.
//!
//! Gradient2 of Netflix's concurrency-limits, with two changes. What is usual is kept for each route, and a request counts by
//! how many times its route's usual time it took: a report of a second beside an answer of a millisecond is no sign of
//! a queue. And what is usual is learnt only while the service is not full, so that an overload never becomes the usual: the
//! drift that upstream knows as issue 165. A service that stays slower at its lowest limit, where no queue of its own can
//! stand, has become slower for good, and learns anew.
//!
//! The limit of a bulkhead ([`crate::policy::bulkhead`]) measures against the least time ever seen, which suits the calls
//! of one dependency and not the requests of a whole service, whose times differ for many reasons.

use std::sync::PoisonError;

use crate::clock::Nanos;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// A window holds at least so many requests, and lasts at least so long.
const LEAST_REQUESTS: u32 = 10;
const LEAST_TIME: Nanos = 100_000_000;
/// Requests that take up to so many times as long as usual wait for nobody.
const TOLERANCE: f64 = 1.5;
/// A limit is at least so much of what it was after one window, before smoothing.
const STEEPEST: f64 = 0.5;
/// What a window changes is smoothed by this share.
const SMOOTHING: f64 = 0.2;
/// A window in which requests were cut at their deadline takes so much of the limit.
const BACKOFF: f64 = 0.9;
/// How many requests the usual time is an average of, and how many while it is learnt anew.
const MEMORY: u32 = 128;
const ANEW: u32 = 16;
/// So many requests teach a route its first usual time, whatever else.
const FIRST: u32 = 32;
/// How long a service is slower at its lowest limit before that is usual.
const BELIEVED: Nanos = 10_000_000_000;
/// A limit that nothing is known of yet.
const INITIAL: u32 = 100;
/// One, in the sum of ratios.
const ONE: f64 = 1024.0;

/// How long a route's requests usually take.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    nanos: AtomicU64,
    seen: AtomicU32,
}

/// Whether the usual times are learnt now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learning {
    Yes,
    /// The service is full or slow.
    No,
    Anew,
}

impl Usual {
    /// Whether a request that was cut after this time had longer than usual, or nothing is known of what is usual.
    fn is_beyond(&self, took: Nanos) -> bool {
        let known = self.seen.load(Ordering::Relaxed) > 0;
        !known || ratio(took, self.nanos.load(Ordering::Relaxed)) > TOLERANCE
    }

    /// How many times its usual time a request took. Threads that meet here lose a request of the average, and no more.
    fn compare(&self, took: Nanos, learning: Learning) -> f64 {
        let seen = self.seen.load(Ordering::Relaxed);
        let usual = self.nanos.load(Ordering::Relaxed);
        let memory = match learning {
            Learning::Yes => MEMORY,
            Learning::Anew => ANEW,
            Learning::No if seen < FIRST => MEMORY,
            Learning::No => return ratio(took, usual),
        };
        let weight = f64::from((seen + 1).min(memory));
        let next = usual as f64 + (took as f64 - usual as f64) / weight;
        // Times of requests are no larger than their deadlines.
        #[expect(clippy::cast_sign_loss, reason = "between two times")]
        self.nanos.store(next as u64, Ordering::Relaxed);
        if seen < MEMORY {
            self.seen.store(seen + 1, Ordering::Relaxed);
        }
        // Of the first one nothing is known.
        if seen == 0 { 1.0 } else { ratio(took, usual) }
    }
}

fn ratio(took: Nanos, usual: Nanos) -> f64 {
    (took as f64 / (usual as f64).max(1.0)).min(100.0)
}

/// The limit.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: AtomicU32,
    learns: AtomicBool,
    anew: AtomicBool,
    /// What the window in hand holds.
    requests: AtomicU32,
    since: AtomicU64,
    ratios: AtomicU64,
    cut: AtomicU32,
    busiest: AtomicU32,
    core: Mutex<Core>,
}

#[derive(Debug)]
struct Core {
    least: f64,
    most: f64,
    limit: f64,
    /// No queue was ever seen: the limit doubles.
    begins: bool,
    /// Since when requests are slow at the lowest limit.
    stuck: Option<Nanos>,
    anew: bool,
}

/// What a window came to.
#[derive(Clone, Copy, Debug)]
struct Window {
    ratio: f64,
    busiest: u32,
    cut: bool,
}

impl Pace {
    /// A limit between `least` and `most`.
    pub(crate) fn new(least: u32, most: u32) -> Self {
        let most = most.max(least);
        let limit = INITIAL.clamp(least, most);
        Self {
            limit: AtomicU32::new(limit),
            learns: AtomicBool::new(true),
            anew: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            since: AtomicU64::new(0),
            ratios: AtomicU64::new(0),
            cut: AtomicU32::new(0),
            busiest: AtomicU32::new(0),
            core: Mutex::new(Core {
                least: f64::from(least),
                most: f64::from(most),
                limit: f64::from(limit),
                begins: true,
                stuck: None,
                anew: false,
            }),
        }
    }

    /// The limit in force.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Takes a request that was answered after `took`, or `cut` at its deadline, while `inside` ran, itself included. One that had no
    /// longer than usual says nothing: its client asked for so little time.
    pub(crate) fn sample(&self, usual: &Usual, took: Nanos, cut: bool, inside: u32, now: Nanos) {
        if cut && !usual.is_beyond(took) {
            return;
        }
        let learning = match (self.anew.load(Ordering::Relaxed), self.learns.load(Ordering::Relaxed)) {
            (true, _) => Learning::Anew,
            (false, true) => Learning::Yes,
            (false, false) => Learning::No,
        };
        self.busiest.fetch_max(inside, Ordering::Relaxed);
        if cut {
            self.cut.fetch_add(1, Ordering::Relaxed);
        } else {
            // At most a hundred times as long as usual.
            #[expect(clippy::cast_sign_loss, reason = "a ratio of two times")]
            let ratio = (usual.compare(took, learning) * ONE) as u64;
            self.ratios.fetch_add(ratio, Ordering::Relaxed);
        }
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if requests < LEAST_REQUESTS || now < self.since.load(Ordering::Relaxed).saturating_add(LEAST_TIME) {
            return;
        }
        // One thread judges; the others go on.
        let Ok(mut core) = self.core.try_lock().or_else(|error| match error {
            std::sync::TryLockError::Poisoned(poisoned) => Ok(PoisonError::into_inner(poisoned)),
            std::sync::TryLockError::WouldBlock => Err(()),
        }) else {
            return;
        };
        let requests = self.requests.swap(0, Ordering::Relaxed);
        let ratios = self.ratios.swap(0, Ordering::Relaxed) as f64 / ONE;
        let cut = self.cut.swap(0, Ordering::Relaxed);
        let busiest = self.busiest.swap(0, Ordering::Relaxed);
        if requests < LEAST_REQUESTS {
            return;
        }
        self.since.store(now, Ordering::Relaxed);
        let timed = requests.saturating_sub(cut).max(1);
        core.judge(Window { ratio: ratios / f64::from(timed), busiest, cut: cut > 0 }, now);
        #[expect(clippy::cast_sign_loss, reason = "between two counts")]
        let limit = core.limit as u32;
        self.limit.store(limit, Ordering::Relaxed);
        let slow = cut > 0 || ratios / f64::from(timed) > TOLERANCE;
        self.learns.store(!slow && busiest.saturating_mul(2) < limit, Ordering::Relaxed);
        self.anew.store(core.anew, Ordering::Relaxed);
    }
}

impl Core {
    fn judge(&mut self, window: Window, now: Nanos) {
        let slow = window.ratio > TOLERANCE;
        if !slow && !window.cut {
            (self.stuck, self.anew) = (None, false);
        } else if self.limit <= self.least + 1.0 {
            let since = *self.stuck.get_or_insert(now);
            // What is cut has no time to learn.
            self.anew = slow && now.saturating_sub(since) >= BELIEVED;
        }
        if window.cut {
            self.begins = false;
            self.limit = (self.limit * BACKOFF).max(self.least);
            return;
        }
        if slow {
            self.begins = false;
        }
        let gradient = (TOLERANCE / window.ratio.max(TOLERANCE)).max(STEEPEST);
        let room = if slow { 0.0 } else { self.limit.sqrt().max(4.0) };
        let wanted = if self.begins { self.limit * 2.0 } else { self.limit * gradient + room };
        let share = if self.begins { 1.0 } else { SMOOTHING };
        let next = self.limit + (wanted - self.limit) * share;
        // A limit that is not half used says nothing about a higher one.
        let used = f64::from(window.busiest) * 2.0 >= self.limit;
        if next < self.limit || used {
            self.limit = next.clamp(self.least, self.most);
        }
    }
}

#[cfg(test)]
mod tests;

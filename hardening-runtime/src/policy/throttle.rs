//! `#[circuit_breaker(adaptive)]`: refuses a share of the calls, so that what passes is about what the dependency accepts.
//!
//! Client-side throttling of the SRE book, chapter "Handling Overload": of `requests` calls, those that were refused here
//! included, of which the dependency accepted `accepts`, a call is refused with the probability
//! (requests − K × accepts) / (requests + 1). At most 90 % are refused, and one call a second always passes, so that a
//! dependency that is back is found.

use hardening_spec::{CircuitBreakerSpec, ThrottleSpec, Window};

use super::circuit_breaker::Verdict;
use crate::clock::{Nanos, nanos};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tunable::Tunable;

const BUCKETS: u64 = 16;
/// No more than this share is refused, in millionths.
const MOST: f64 = 0.9;
/// One call in so long always passes.
const ALWAYS_EVERY: Nanos = 1_000_000_000;

/// What a bucket holds, in one word: whose it is, requests, accepts.
#[derive(Clone, Copy)]
struct Held {
    /// Which lap of the ring. It comes again after 4095 laps; what has left the window is emptied long before.
    lap: u64,
    requests: u64,
    accepts: u64,
}

impl Held {
    const LAPS: u64 = 1 << 12;
    const FULL: u64 = (1 << 26) - 1;

    const fn lap(epoch: u64) -> u64 {
        // Never 0, which is an empty word's.
        epoch / BUCKETS % (Self::LAPS - 1) + 1
    }

    const fn unpack(word: u64) -> Self {
        Self { lap: word >> 52, requests: (word >> 26) & Self::FULL, accepts: word & Self::FULL }
    }

    const fn pack(self) -> u64 {
        (self.lap << 52) | (self.requests << 26) | self.accepts
    }

    /// With one more request; numbers that are full are halved first, which keeps their share.
    const fn asked(self) -> Self {
        let by = if self.requests == Self::FULL { 2 } else { 1 };
        Self { requests: self.requests / by + 1, accepts: self.accepts / by, ..self }
    }
}

/// The throttle of one call site.
#[derive(Debug)]
pub struct Throttle {
    /// The width of one bucket; at least 1.
    width: Tunable,
    min_calls: Tunable,
    /// In thousandths.
    multiplier: Tunable,
    /// The last bucket that was written, counted as epochs are.
    last: AtomicU64,
    /// Each [`Held`].
    buckets: [AtomicU64; BUCKETS as usize],
    /// When a call passed because none had for a second.
    passed: AtomicU64,
    /// Admitted and not ended.
    running: AtomicU64,
    admitted: AtomicU64,
    refused: AtomicU64,
    /// Off: everything passes uncounted.
    off: Tunable,
}

impl Throttle {
    /// When a refused call may be made again.
    pub(crate) const ASK_AGAIN: Nanos = ALWAYS_EVERY;

    /// A throttle that has seen nothing.
    pub fn new(spec: &CircuitBreakerSpec, now: Nanos) -> Self {
        let throttle = Self {
            width: Tunable::default(),
            min_calls: Tunable::default(),
            multiplier: Tunable::default(),
            last: AtomicU64::new(0),
            buckets: Default::default(),
            passed: AtomicU64::new(now),
            running: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            off: Tunable::default(),
        };
        throttle.tune(Some(spec));
        throttle
    }

    /// Puts other numbers in force, `None` for none at all.
    // A multiplier is positive and small.
    #[allow(clippy::cast_sign_loss)]
    pub fn tune(&self, spec: Option<&CircuitBreakerSpec>) {
        self.off.set(spec.is_none().into());
        let Some(spec) = spec else { return };
        let width = match spec.window {
            Window::Time(width) => nanos(width),
            Window::Calls(_) => nanos(std::time::Duration::from_secs(30)),
        };
        let width = (width / BUCKETS).max(1);
        if self.width.get() != width {
            // Buckets of another width are those of other moments.
            self.width.set(width);
            self.forget();
        }
        self.min_calls.set(spec.min_calls.into());
        let multiplier = spec.adaptive.unwrap_or(ThrottleSpec::DEFAULT).multiplier;
        self.multiplier.set((multiplier * 1000.0) as u64);
    }

    /// The probability with which a call is refused, given what the window holds.
    pub fn probability(&self, requests: u64, accepts: u64) -> f64 {
        if requests < self.min_calls.get() {
            return 0.0;
        }
        let allowed = accepts.saturating_mul(self.multiplier.get()) / 1000;
        let over = requests.saturating_sub(allowed);
        (over as f64 / (requests + 1) as f64).min(MOST)
    }

    /// Asks for leave to run an attempt; `random` is uniform in 0..1.
    pub fn admit(&self, now: Nanos, random: f64) -> bool {
        if self.off.get() != 0 {
            return true;
        }
        let (requests, accepts) = self.counts(now);
        self.ask(now);
        // Of those that have not ended nobody knows yet; they are taken for accepted, so that a burst is no outage.
        let accepts = accepts + self.running.load(Ordering::Relaxed);
        let refused = random < self.probability(requests, accepts) && !self.passes_always(now);
        let counter = if refused { &self.refused } else { &self.admitted };
        counter.fetch_add(1, Ordering::Relaxed);
        if !refused {
            self.running.fetch_add(1, Ordering::Relaxed);
            self.passed.fetch_max(now, Ordering::Relaxed);
        }
        !refused
    }

    /// Takes the end of an attempt that was admitted at this moment. Of one that was cancelled, or ended elsewhere, nothing is
    /// known: it is taken back.
    pub fn ended(&self, admitted: Nanos, verdict: Verdict) {
        let less = |running: u64| running.checked_sub(1);
        let _ = self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let epoch = self.epoch(admitted);
        // What was admitted longer ago than the window is forgotten already.
        let change = |word: u64| {
            let held = Some(Held::unpack(word)).filter(|held| held.lap == Held::lap(epoch))?;
            Some(match verdict {
                Verdict::Success => Held { accepts: (held.accepts + 1).min(held.requests), ..held }.pack(),
                Verdict::Neither | Verdict::Unfinished => {
                    let requests = held.requests.saturating_sub(1);
                    Held { requests, accepts: held.accepts.min(requests), ..held }.pack()
                }
                Verdict::Failure => return None,
            })
        };
        let _ = self.bucket(epoch).fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
    }

    /// Calls that were let through, and that were refused.
    pub fn decisions(&self) -> (u64, u64) {
        (self.admitted.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Forgets what it has seen.
    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self, now: Nanos) {
        self.forget();
        self.passed.store(now, Ordering::Relaxed);
    }

    fn forget(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Release));
        self.last.store(0, Ordering::Release);
    }

    fn passes_always(&self, now: Nanos) -> bool {
        let last = self.passed.load(Ordering::Relaxed);
        now >= last.saturating_add(ALWAYS_EVERY)
            && self.passed.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn epoch(&self, now: Nanos) -> u64 {
        now / self.width.get().max(1)
    }

    fn bucket(&self, epoch: u64) -> &AtomicU64 {
        &self.buckets[(epoch % BUCKETS) as usize]
    }

    /// Counts a request in the bucket of this moment, which forgets what an older lap left there.
    fn ask(&self, now: Nanos) {
        let epoch = self.epoch(now);
        let last = self.last.load(Ordering::Acquire);
        if last < epoch {
            self.turn_to(last, epoch);
        }
        let asked = |word: u64| {
            let held = Held::unpack(word);
            let lap = Held::lap(epoch);
            let held = if held.lap == lap { held } else { Held { lap, requests: 0, accepts: 0 } };
            Some(held.asked().pack())
        };
        let _ = self.bucket(epoch).fetch_update(Ordering::AcqRel, Ordering::Acquire, asked);
    }

    /// Empties the buckets that have left the window when the first request of `epoch` comes. A bucket that is still asked about
    /// stays: a lap is told from the ones before it by its number alone, and numbers come again.
    #[cold]
    fn turn_to(&self, last: u64, epoch: u64) {
        if self.last.fetch_max(epoch, Ordering::AcqRel) >= epoch {
            return;
        }
        let lapsed = epoch - last >= BUCKETS;
        for back in 0..BUCKETS.min(epoch + 1) {
            let (bucket, lap) = (self.bucket(epoch - back), Held::lap(epoch - back));
            let word = bucket.load(Ordering::Acquire);
            // One whose lap is the newest's own was written since by a faster thread, unless nothing was for a whole lap.
            if word != 0 && (lapsed || Held::unpack(word).lap != lap) {
                let _ = bucket.compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }

    /// Requests and accepts of the window.
    pub fn counts(&self, now: Nanos) -> (u64, u64) {
        let epoch = self.epoch(now);
        if epoch.saturating_sub(self.last.load(Ordering::Acquire)) >= BUCKETS {
            return (0, 0);
        }
        let mut sums = (0, 0);
        for back in 0..BUCKETS.min(epoch + 1) {
            let held = Held::unpack(self.bucket(epoch - back).load(Ordering::Acquire));
            if held.lap == Held::lap(epoch - back) {
                sums.0 += held.requests;
                sums.1 += held.accepts;
            }
        }
        sums
    }
}

#[cfg(test)]
#[path = "throttle/tests.rs"]
mod tests;

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
                Verdict::Neither => {
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
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn throttle(multiplier: f64) -> Throttle {
        let spec = CircuitBreakerSpec::ADAPTIVE
            .with_multiplier(multiplier)
            .with_window(Window::Time(Duration::from_secs(10)));
        Throttle::new(&spec, 0)
    }

    /// Asks `rate` times a second of a dependency that accepts `capacity` a second; answers what passed each second.
    fn run(throttle: &Throttle, from: u64, seconds: u64, rate: u64, capacity: u64) -> Vec<u64> {
        (from..from + seconds)
            .map(|second| {
                let mut passed = 0;
                for at in 0..rate {
                    let now = second * SECOND + at * SECOND / rate;
                    if throttle.admit(now, fastrand::f64()) {
                        passed += 1;
                        let accepted = passed <= capacity;
                        throttle.ended(now, if accepted { Verdict::Success } else { Verdict::Failure });
                    }
                }
                passed
            })
            .collect()
    }

    #[test]
    fn i_14_nothing_is_refused_while_enough_is_accepted_or_too_little_is_known() {
        let throttle = throttle(2.0);
        for requests in 0..2000 {
            let p = throttle.probability(requests, requests.div_ceil(2));
            assert!(p == 0.0, "{requests}: {p}");
        }
        assert!((0..20).all(|requests| throttle.probability(requests, 0) == 0.0));
        assert!(throttle.probability(20, 0) > 0.5);
    }

    #[test]
    fn a_burst_is_no_outage_and_what_was_cancelled_never_was() {
        let throttle = throttle(2.0);
        assert!((0..200).all(|_| throttle.admit(SECOND, fastrand::f64())), "none of them has ended");
        (0..200).for_each(|_| throttle.ended(SECOND, Verdict::Neither));
        assert_eq!(throttle.counts(4 * SECOND), (0, 0));
        assert!((0..20).all(|_| throttle.admit(4 * SECOND, fastrand::f64())));
    }

    #[test]
    fn i_15_what_passes_is_a_multiple_of_what_is_accepted() {
        for (multiplier, capacity, wanted) in
            [(2.0, 200, 400.0), (2.0, 400, 800.0), (1.1, 400, 440.0), (2.0, 600, 1000.0)]
        {
            fastrand::seed(7);
            let throttle = throttle(multiplier);
            let passed = run(&throttle, 0, 120, 1000, capacity);
            let mean = passed[60..].iter().sum::<u64>() as f64 / 60.0;
            assert!(
                (mean - wanted).abs() <= 0.1 * wanted,
                "K {multiplier}, {capacity}/s: {mean}, not {wanted}"
            );
        }
    }

    #[test]
    fn i_16_an_outage_is_not_the_end_and_its_end_is_found() {
        fastrand::seed(7);
        let throttle = throttle(2.0);
        run(&throttle, 0, 30, 1000, 1000);
        let outage = run(&throttle, 30, 60, 1000, 0);
        // A tenth passes, and never less than one in a second.
        assert!(outage[30..].iter().all(|passed| (60..=150).contains(passed)), "{outage:?}");
        let after = run(&throttle, 90, 30, 1000, 1000);
        assert!(after[25..].iter().all(|passed| *passed > 950), "{after:?}");
        let slow = super::tests::throttle(2.0);
        let few = run(&slow, 0, 60, 20, 0);
        assert!(few.iter().all(|passed| *passed >= 1), "{few:?}");
    }

    #[test]
    fn an_idle_time_of_any_length_leaves_nothing() {
        let window = 10 * SECOND;
        for windows in [1, 2, 4094, 4095, 4096, 2 * 4095] {
            // Before and behind the whole number of windows, too.
            for offset in [0, 1, window / 2, window - 1] {
                let throttle = throttle(2.0);
                for _ in 0..100 {
                    if throttle.admit(SECOND, 0.5) {
                        throttle.ended(SECOND, Verdict::Failure);
                    }
                }
                let now = SECOND + windows * window + offset;
                assert_eq!(throttle.counts(now), (0, 0), "{windows} windows and {offset}");
                assert!((0..20).all(|_| throttle.admit(now, 0.0)), "{windows} windows and {offset}");
            }
        }
    }

    #[test]
    fn a_bucket_that_slept_while_others_did_not_has_nothing_left() {
        let throttle = throttle(2.0);
        let (window, bucket) = (10 * SECOND, 10 * SECOND / BUCKETS);
        assert!((0..100).all(|_| throttle.admit(0, 1.0)));
        // One request in each window, always in the same bucket, which is not the first.
        for lap in 0..=Held::LAPS {
            let now = lap * window + 8 * bucket;
            assert!(throttle.counts(now).0 <= if lap == 0 { 100 } else { 1 }, "after {lap} laps");
            throttle.admit(now, 1.0);
        }
    }

    #[test]
    fn another_window_begins_with_nothing_and_the_same_one_goes_on() {
        let throttle = throttle(2.0);
        assert!((0..30).all(|_| throttle.admit(SECOND, 1.0)));
        let spec =
            |seconds| CircuitBreakerSpec::ADAPTIVE.with_window(Window::Time(Duration::from_secs(seconds)));
        throttle.tune(Some(&spec(10)));
        assert_eq!(throttle.counts(SECOND), (30, 0));
        throttle.tune(Some(&spec(20)));
        assert_eq!(throttle.counts(SECOND), (0, 0));
    }

    #[test]
    fn a_word_holds_a_bucket_and_full_numbers_keep_their_share() {
        for (lap, requests, accepts) in
            [(0, 0, 0), (4095, Held::FULL, Held::FULL), (7, 5, 3), (1, Held::FULL, 0)]
        {
            let held = Held::unpack(Held { lap, requests, accepts }.pack());
            assert_eq!((held.lap, held.requests, held.accepts), (lap, requests, accepts));
        }
        let asked = |requests, accepts| {
            let held = Held { lap: 9, requests, accepts }.asked();
            (held.lap, held.requests, held.accepts)
        };
        assert_eq!(asked(5, 3), (9, 6, 3));
        assert_eq!(asked(Held::FULL - 1, 8), (9, Held::FULL, 8));
        assert_eq!(asked(Held::FULL, 8), (9, Held::FULL / 2 + 1, 4));
    }

    #[test]
    fn a_lap_is_never_that_of_an_empty_word() {
        let mut laps: Vec<u64> = (0..2 * Held::LAPS).map(|lap| Held::lap(lap * BUCKETS)).collect();
        assert_eq!((laps[0], laps[1], Held::lap(BUCKETS - 1), Held::lap(BUCKETS)), (1, 2, 1, 2));
        assert_eq!(laps[4094], 4095, "each of them but that one");
        assert_eq!(laps[4095], 1);
        laps.sort_unstable();
        laps.dedup();
        assert_eq!((laps[0], laps.len()), (1, 4095));
    }
}

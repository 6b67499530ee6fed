//! Quantiles of the durations of the last 30 to 60 seconds.
//!
//! Buckets are those of an HDR histogram: 64 to each power of two, so a value read back is off by less than 1 %.
//! Two windows take turns: one fills, the other is what was; what is older than both is forgotten.

use crate::clock::Nanos;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How long a window fills.
const WINDOW: Nanos = 30_000_000_000;
/// Below this many samples there is no quantile.
pub const ENOUGH: u64 = 100;

/// Sub-buckets of a power of two, as a power of two.
const FINE: u32 = 6;
/// Durations below 2^10 ns are one bucket, above 2^42 ns (73 minutes) another.
const LOWEST: u32 = 10;
const HIGHEST: u32 = 42;
const BUCKETS: usize = ((HIGHEST - LOWEST) << FINE) as usize + 2;

/// Durations of late.
#[derive(Debug)]
pub struct Latencies {
    windows: [Box<[AtomicU32]>; 2],
    /// When the filling window began, with which of the two it is in the lowest bit.
    turn: AtomicU64,
}

impl Latencies {
    /// No duration yet.
    pub fn new(now: Nanos) -> Self {
        let empty = || (0..BUCKETS).map(|_| AtomicU32::new(0)).collect();
        Self { windows: [empty(), empty()], turn: AtomicU64::new(now & !1) }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self, now: Nanos) {
        for sample in self.windows.iter().flatten() {
            sample.store(0, Ordering::Relaxed);
        }
        self.turn.store(now & !1, Ordering::Release);
    }

    /// Adds a duration.
    pub fn record(&self, took: Nanos, now: Nanos) {
        self.turn_over(now);
        let filling = (self.turn.load(Ordering::Acquire) & 1) as usize;
        self.windows[filling][bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The duration that a share of the recent ones, in millionths, does not exceed; `None` while there are too few.
    pub fn quantile(&self, share: u32, now: Nanos) -> Option<Nanos> {
        self.turn_over(now);
        let count = |at: usize| -> u64 {
            self.windows.iter().map(|window| u64::from(window[at].load(Ordering::Relaxed))).sum()
        };
        let total: u64 = (0..BUCKETS).map(count).sum();
        if total < ENOUGH {
            return None;
        }
        let wanted = (u128::from(total) * u128::from(share)).div_ceil(1_000_000);
        let mut seen = 0;
        let at = (0..BUCKETS).find(|at| {
            seen += u128::from(count(*at));
            seen >= wanted
        });
        at.map(middle)
    }

    /// Starts the other window when the filling one is full; after a pause both are stale.
    fn turn_over(&self, now: Nanos) {
        let turn = self.turn.load(Ordering::Acquire);
        let age = now.saturating_sub(turn & !1);
        if age < WINDOW {
            return;
        }
        let next = (now & !1) | ((turn & 1) ^ 1);
        if self.turn.compare_exchange(turn, next, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        let clear = |window: &[AtomicU32]| window.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        clear(&self.windows[(next & 1) as usize]);
        if age >= 2 * WINDOW {
            clear(&self.windows[(turn & 1) as usize]);
        }
    }
}

fn bucket(took: Nanos) -> usize {
    let power = took.max(1).ilog2();
    if power < LOWEST {
        return 0;
    }
    if power >= HIGHEST {
        return BUCKETS - 1;
    }
    let fine = (took >> (power - FINE)) as usize & ((1 << FINE) - 1);
    1 + (((power - LOWEST) as usize) << FINE) + fine
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Nanos {
    if bucket == 0 {
        return 1 << (LOWEST - 1);
    }
    if bucket == BUCKETS - 1 {
        return 1 << HIGHEST;
    }
    let power = LOWEST + ((bucket - 1) >> FINE) as u32;
    let fine = ((bucket - 1) & ((1 << FINE) - 1)) as u64;
    let width = 1_u64 << (power - FINE);
    (1 << power) + fine * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn a_quantile_is_off_by_less_than_one_per_cent() {
        let mut seed = 7_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for spread in [1_000_000, 50_000_000, 4_000_000_000] {
            let latencies = Latencies::new(0);
            let mut all: Vec<Nanos> = (0..5000).map(|_| 2_000 + random() % spread).collect();
            for took in &all {
                latencies.record(*took, SECOND);
            }
            all.sort_unstable();
            for share in [10_000, 500_000, 900_000, 950_000, 990_000, 999_000] {
                let exact = all[(5000 * share as usize).div_ceil(1_000_000) - 1];
                let read = latencies.quantile(share, SECOND).unwrap();
                assert!(read.abs_diff(exact) * 100 <= exact, "{share}: {read} for {exact}");
            }
        }
    }

    #[test]
    fn too_few_samples_and_old_ones_say_nothing() {
        let latencies = Latencies::new(0);
        (0..99).for_each(|_| latencies.record(1_000_000, SECOND));
        assert_eq!(latencies.quantile(950_000, SECOND), None);
        latencies.record(1_000_000, SECOND);
        assert!(latencies.quantile(950_000, 31 * SECOND).is_some());
        (0..100).for_each(|_| latencies.record(9_000_000, 31 * SECOND));
        assert!(latencies.quantile(950_000, 32 * SECOND).unwrap() > 8_900_000);
        assert!(latencies.quantile(100_000, 32 * SECOND).unwrap() < 1_100_000);
        // One turn later only the second hundred is left, after a pause nothing.
        assert!(latencies.quantile(100_000, 62 * SECOND).unwrap() > 8_900_000);
        assert_eq!(latencies.quantile(100_000, 500 * SECOND), None);
    }

    #[test]
    fn every_duration_has_a_bucket_near_it() {
        for took in [0, 1, 1023, 1024, 1025, 1 << 20, (1 << 42) - 1, 1 << 42, Nanos::MAX] {
            let read = middle(bucket(took));
            if (1024..1 << 42).contains(&took) {
                assert!(read.abs_diff(took) * 100 <= took, "{took}: {read}");
            }
        }
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        // The first duration of each bucket: 64 to a power of two.
        let first = |bucket: usize| {
            if bucket == 0 {
                return 0;
            }
            let (power, fine) = ((bucket - 1) / 64 + 10, (bucket as u64 - 1) % 64);
            (64 + fine) << (power - 6)
        };
        assert_eq!(BUCKETS, 32 * 64 + 2);
        for at in 0..BUCKETS {
            assert_eq!(bucket(first(at)), at);
            if at > 0 {
                assert_eq!(bucket(first(at) - 1), at - 1);
            }
            let wanted = if at == BUCKETS - 1 { first(at) } else { first(at).midpoint(first(at + 1)) };
            assert_eq!(middle(at), wanted);
        }
        assert_eq!(bucket(Nanos::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_window_is_full_after_exactly_its_time_whichever_of_the_two_it_is() {
        let latencies = Latencies::new(SECOND + 1);
        let record = |took: Nanos, now| (0..100).for_each(|_| latencies.record(took, now));
        let median = |now| latencies.quantile(500_000, now).map(|took| took / 1_000_000);
        // Each window begins with the first call after the one before is full.
        record(5_000_000, SECOND + 1);
        assert_eq!(median(SECOND + WINDOW - 1), Some(5));
        let mut begun = SECOND + WINDOW;
        for turn in 1..6_u64 {
            let before = if turn == 1 { 5 } else { (turn - 1) * 10 };
            record(turn * 10_000_000, begun);
            record(turn * 10_000_000, begun);
            assert!(latencies.quantile(300_000, begun).is_some_and(|took| took / 1_000_000 <= before));
            let most = latencies.quantile(600_000, begun + WINDOW - 1).unwrap() / 1_000_000;
            assert!(most.abs_diff(turn * 10) <= 1);
            begun += WINDOW;
            // The window before the last is forgotten, this one is not.
            assert!(latencies.quantile(1, begun).is_some_and(|took| took / 900_000 >= turn * 10));
        }
        assert!(median(begun + WINDOW - 1).is_some());
        assert_eq!(median(begun + WINDOW), None);
    }

    #[test]
    fn after_a_pause_both_windows_are_stale() {
        for (pause, kept) in [(2 * WINDOW - 1, true), (2 * WINDOW, false)] {
            for origin in [0, WINDOW] {
                let latencies = Latencies::new(0);
                let _ = latencies.quantile(1, origin);
                (0..100).for_each(|_| latencies.record(1_000_000, origin));
                assert_eq!(latencies.quantile(1, origin + pause).is_some(), kept, "{origin} and {pause}");
            }
        }
    }

    #[test]
    fn a_quantile_is_reached_by_exactly_its_share() {
        let latencies = Latencies::new(0);
        (1..=1000_u64).for_each(|took| latencies.record(took * 10_000_000, 0));
        for (share, wanted) in
            [(1, 1), (1000, 1), (1001, 2), (500_000, 500), (999_001, 1000), (1_000_000, 1000)]
        {
            let exact = middle(bucket(wanted * 10_000_000));
            assert_eq!(latencies.quantile(share, 0), Some(exact), "{share}");
        }
    }
}

//! A histogram of durations in atomics: one addition to a bucket, one to the sum.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Nanos;

/// The upper bounds of the buckets, in nanoseconds, and as Prometheus writes them in seconds.
pub const BOUNDS: [(Nanos, &str); 15] = [
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (30_000_000_000, "30"),
];

/// A histogram over [`BOUNDS`].
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl Histogram {
    /// Adds one duration.
    #[inline(always)]
    pub fn record(&self, took: Nanos) {
        let mut at = 0;
        while at < BOUNDS.len() && took > BOUNDS[at].0 {
            at += 1;
        }
        // What was counted before is seen by whoever reads this bucket.
        self.buckets[at].fetch_add(1, Ordering::Release);
        self.sum.fetch_add(took, Ordering::Relaxed);
    }

    /// How many durations were added.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Acquire)).sum()
    }

    /// Counts up to each bound of [`BOUNDS`] and in all, and the sum in seconds.
    pub fn read(&self) -> ([u64; BOUNDS.len() + 1], f64) {
        let mut below = 0;
        let cumulative = std::array::from_fn(|at| {
            below += self.buckets[at].load(Ordering::Relaxed);
            below
        });
        (cumulative, self.sum.load(Ordering::Relaxed) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lands_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for took in [0, 500_000, 500_001, 1_000_000_000, 31_000_000_000] {
            histogram.record(took);
        }
        let (counts, sum) = histogram.read();
        assert_eq!(counts[0], 2);
        assert_eq!(counts[1], 3);
        assert_eq!(counts[10], 4);
        assert_eq!(counts[14], 4);
        assert_eq!(counts[15], 5);
        assert!((sum - 32.001_000_001).abs() < 1e-6);
    }
}

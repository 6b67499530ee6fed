//! The pause between refreshes of one result that fail.

use crate::clock::Nanos;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// After the first failure.
const FIRST: Nanos = 500_000_000;
/// At most.
const LONGEST: Nanos = 30_000_000_000;

/// How long a stale result is served without a refresh, since the last one failed: twice as long each time. A result that
/// a refresh brings begins anew.
#[derive(Debug, Default)]
pub struct Pause {
    failures: AtomicU32,
    until: AtomicU64,
}

impl Pause {
    /// Whether no refresh begins now.
    pub fn lasts(&self, now: Nanos) -> bool {
        now < self.until.load(Ordering::Relaxed)
    }

    /// Begins a refresh, of which nothing is known until it ends.
    pub fn begin(&self, now: Nanos) {
        // Only the leader of a flight comes here, one at a time.
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.extend(now);
    }

    /// Pauses from now on, since the refresh failed.
    pub fn extend(&self, now: Nanos) {
        let failures = self.failures.load(Ordering::Relaxed);
        let pause = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
        self.until.store(now.saturating_add(pause), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound() {
        let pause = Pause::default();
        assert!(!pause.lasts(0));
        let mut lasted = Vec::new();
        for _ in 0..9 {
            pause.begin(0);
            pause.extend(1_000);
            let until = pause.until.load(Ordering::Relaxed);
            assert!(pause.lasts(until - 1) && !pause.lasts(until));
            lasted.push((until - 1_000) / 1_000_000);
        }
        assert_eq!(lasted, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    }
}

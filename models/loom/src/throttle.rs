//! The adaptive breaker's buckets.

use hardening_spec::CircuitBreakerSpec;
use loom::sync::Arc;

use crate::policy::circuit_breaker::Verdict;
use crate::policy::throttle::Throttle;
use crate::{Action, explore, together};

const SECOND: u64 = 1_000_000_000;

/// A call begins and ends while a bucket turns to its next lap: that of the new lap counts, what comes late from the old one does not.
pub fn i_14_a_turning_bucket_loses_no_call() {
    explore(2, || {
        let throttle = Arc::new(Throttle::new(&CircuitBreakerSpec::ADAPTIVE, 0));
        assert!(throttle.admit(SECOND, 1.0));
        // A lap of the ring later, in the same bucket.
        let later = 100 * SECOND;
        let call = || -> Action<()> {
            let throttle = Arc::clone(&throttle);
            Box::new(move || {
                assert!(throttle.admit(later, 1.0));
                throttle.ended(later, Verdict::Success);
            })
        };
        let old = Arc::clone(&throttle);
        let late = Box::new(move || old.ended(SECOND, Verdict::Success));
        together::<(), _>([call(), late]);
        assert_eq!(throttle.counts(later), (1, 1));
    });
}

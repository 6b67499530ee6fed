//! The rate limit's arrival time, and the turns that are given up.

use std::time::Duration;

use hardening_spec::{Rate, RateLimitSpec};
use loom::sync::Arc;

use crate::clock::NEVER;
use crate::policy::rate_limit::{Charge, Keyed, Limiter};
use crate::{Action, explore, together};

const SECOND: u64 = 1_000_000_000;

fn limiter(burst: u32, wait: Duration) -> Arc<Limiter> {
    let spec = RateLimitSpec { burst: Some(burst), wait, ..RateLimitSpec::new(Rate::per_secs(1, 1)) };
    Arc::new(Limiter::new("model", spec))
}

/// A burst of two, and three who ask for one.
pub fn i_41_a_burst_is_given_out_exactly() {
    explore(2, || {
        let limiter = limiter(2, Duration::ZERO);
        let ask = || -> Action<bool> {
            let limiter = Arc::clone(&limiter);
            Box::new(move || limiter.admits_one(SECOND))
        };
        let admitted = together([ask(), ask(), ask()]);
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 2);
        assert_eq!(limiter.counts().0, 2);
    });
}

/// Two are charged and give back, in the middle of a third's asking: the whole burst is there again.
pub fn i_41_what_is_given_back_is_there_again() {
    explore(2, || {
        let limiter = limiter(2, Duration::ZERO);
        let give_back = || -> Action<()> {
            let limiter = Arc::clone(&limiter);
            Box::new(move || {
                if limiter.admits(Charge::ONE, SECOND) {
                    limiter.refund(Charge::ONE);
                }
            })
        };
        together([give_back(), give_back(), give_back()]);
        assert!(limiter.admits_one(SECOND) && limiter.admits_one(SECOND));
        assert!(!limiter.admits_one(SECOND));
    });
}

/// Two wait for turns and one of them gives up: no turn is given to two, and in the end the bound holds.
pub fn i_41_turns_are_given_up_and_taken_once() {
    explore(2, || {
        let limiter = limiter(1, Duration::from_mins(1));
        assert!(limiter.admits_one(SECOND));
        let reserve = |gives_up: bool| -> Action<Option<u64>> {
            let limiter = Arc::clone(&limiter);
            Box::new(move || {
                let delay = limiter.reserve(Charge::ONE, SECOND, NEVER, true).ok()?;
                if gives_up {
                    limiter.give_up_turn(Charge::ONE, SECOND + delay, SECOND);
                    return None;
                }
                Some(delay)
            })
        };
        let mut turns: Vec<u64> =
            together([reserve(true), reserve(false), reserve(false)]).into_iter().flatten().collect();
        // Two more, after everybody: they get the turns that are left.
        for _ in 0..2 {
            turns.extend(limiter.reserve(Charge::ONE, SECOND, NEVER, true).ok());
        }
        turns.sort_unstable();
        assert_eq!(turns, [SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]);
    });
}

/// Two threads bring the same new key and a third another one: room for two is enough.
pub fn i_41_one_key_takes_one_place() {
    explore(2, || {
        let keys = Arc::new(Keyed::new(2));
        let bring = |key: u64| -> Action<bool> {
            let keys = Arc::clone(&keys);
            Box::new(move || keys.update(key, 1, |tat| *tat = 5).is_some())
        };
        let brought = together([bring(1), bring(1)]);
        assert_eq!(brought, [true, true]);
        assert_eq!(keys.len(), 1);
        assert!(keys.update(2, 1, |tat| *tat = 5).is_some(), "a place was lost");
    });
}

//! The budget's slices.

use hardening_spec::Ratio;
use loom::sync::Arc;

use crate::policy::budget::Budget;
use crate::{Action, explore, together};

const SECOND: u64 = 1_000_000_000;

/// One token is there, and three ask for it.
pub fn i_28_a_token_is_taken_once() {
    explore(2, || {
        let budget = Arc::new(Budget::of_hedges(Ratio::percent(50), 0));
        let take = || -> Action<bool> {
            let budget = Arc::clone(&budget);
            Box::new(move || budget.withdraw(0))
        };
        let taken = together([take(), take(), take()]);
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    });
}

/// Calls pay while another takes: nothing that was paid within a slice is lost, and nothing is taken twice.
pub fn i_28_nothing_is_taken_that_was_not_paid() {
    explore(2, || {
        let budget = Arc::new(Budget::of_hedges(Ratio::percent(50), 0));
        assert!(budget.withdraw(0), "the gift");
        let act = || -> Action<bool> {
            let budget = Arc::clone(&budget);
            Box::new(move || {
                budget.deposit(0);
                budget.withdraw(0)
            })
        };
        let taken = together([act(), act()]).into_iter().filter(|taken| *taken).count() as u64;
        // Two calls pay for one.
        assert_eq!(taken + budget.left(0).expect("a bound"), 1);
    });
}

/// The slices turn while calls pay: what is paid in the new slice is there.
pub fn i_28_turning_loses_no_call_of_the_new_slice() {
    explore(2, || {
        let budget = Arc::new(Budget::of_hedges(Ratio::percent(50), 0));
        assert!(budget.withdraw(0), "the gift");
        let act = || -> Action<()> {
            let budget = Arc::clone(&budget);
            Box::new(move || budget.deposit(2 * SECOND))
        };
        together([act(), act()]);
        assert_eq!(budget.left(2 * SECOND), Some(1));
    });
}

/// One is given back while others take: it is taken once more, and no more than that.
pub fn what_is_given_back_was_taken_once() {
    explore(2, || {
        let budget = Arc::new(Budget::of_hedges(Ratio::percent(50), 0));
        let leave = || -> Action<bool> {
            let budget = Arc::clone(&budget);
            Box::new(move || {
                drop(budget.reserve(0));
                false
            })
        };
        let other = Arc::clone(&budget);
        let taken = together::<bool, _>([leave(), leave(), Box::new(move || other.withdraw(0))]);
        let taken = taken.into_iter().filter(|taken| *taken).count() as u64;
        assert_eq!(taken + budget.left(0).expect("a bound"), 1);
    });
}

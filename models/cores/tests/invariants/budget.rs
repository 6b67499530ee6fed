//! The budget against a naive recount.

use hardening_cores::policy::budget::Budget;
use hardening_spec::Ratio;

use super::support::{Nanos, SECOND, for_each_seed};

/// An eighth of ten seconds is forgotten at once.
const SLICE: Nanos = 10 * SECOND / 8;
const RESERVE: usize = 30;

fn held(times: &[Nanos], now: Nanos) -> usize {
    times.iter().filter(|at| now / SLICE - **at / SLICE < 8).count()
}

#[test]
fn i_28_what_is_left_is_what_was_paid_and_not_taken_of_late() {
    for_each_seed(300, |random| {
        let budget = Budget::new(Some(Ratio::percent(100)), 0);
        let (mut now, mut calls, mut taken) = (0, Vec::new(), Vec::new());
        for _ in 0..300 {
            now += match random.u8(..12) {
                0 => random.u64(..20 * SLICE),
                1 => SLICE * random.u64(..10),
                // To the very end of a slice.
                2 => SLICE - now % SLICE,
                _ => random.u64(..SLICE / 4),
            };
            match random.u8(..3) {
                0 => {
                    budget.deposit(now);
                    calls.push(now);
                }
                1 => {
                    let some = held(&calls, now) + RESERVE > held(&taken, now);
                    assert_eq!(budget.withdraw(now), some, "at {now}");
                    if some {
                        taken.push(now);
                    }
                }
                _ => {
                    let left = (held(&calls, now) + RESERVE).saturating_sub(held(&taken, now));
                    assert_eq!(budget.left(now), Some(left as u64), "at {now}");
                }
            }
        }
    });
}

#[test]
fn i_31_what_is_free_once_is_taken_first_and_once() {
    let budget = Budget::of_hedges(Ratio::percent(100), 0);
    (0..3).for_each(|_| budget.deposit(0));
    for left in [3, 2, 1, 0] {
        assert!(budget.withdraw(0));
        assert_eq!(budget.left(0), Some(left));
    }
    assert!(!budget.withdraw(0));
    assert_eq!(budget.left(100 * SECOND), Some(0), "it does not come back");
}

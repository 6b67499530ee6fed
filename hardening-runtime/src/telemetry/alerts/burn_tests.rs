//! I-70, and what windows hold.

use super::burn::{Burn, Counts, LEAST_ERRORS, PAIRS, Pair, Samples};

/// A route's counters, minute by minute.
#[derive(Default)]
struct Route {
    counts: Counts,
    samples: Samples,
}

impl Route {
    /// A route with its first sample.
    fn new() -> Self {
        let mut route = Self::default();
        route.minute(0, 0);
        route
    }

    fn minute(&mut self, requests: u64, errors: u64) {
        self.counts.requests += requests;
        self.counts.errors += errors;
        self.samples.push(self.counts);
    }

    fn fires(&self, pair: Pair, budget: u32) -> bool {
        self.samples.burn(pair, budget).fires
    }
}

/// Budgets in millionths, of objectives from 95 % to 99.999 %.
const BUDGETS: [u32; 6] = [10, 100, 500, 1_000, 10_000, 50_000];

/// Requests in a minute: so many that each budget's rates are whole numbers of errors.
const MANY: u64 = 10_000_000;

/// Errors in a minute at the very threshold.
fn at(pair: Pair, budget: u32) -> u64 {
    u64::from(pair.tenths) * u64::from(budget)
}

#[test]
fn i_70_a_rate_at_the_threshold_or_below_never_fires() {
    for (pair, budget) in PAIRS.into_iter().flat_map(|pair| BUDGETS.map(|budget| (pair, budget))) {
        for errors in [at(pair, budget), at(pair, budget) - 1] {
            let mut route = Route::new();
            for minute in 0..1500 {
                route.minute(MANY, errors);
                assert!(!route.fires(pair, budget), "{pair:?}, {budget}: {errors} in minute {minute}");
            }
        }
        let mut route = Route::new();
        route.minute(MANY, at(pair, budget) + 1);
        assert!(route.fires(pair, budget), "{pair:?}, {budget}: what is above it fires");
    }
}

#[test]
fn i_70_at_twice_the_threshold_it_fires_within_half_of_the_long_window() {
    for (pair, budget) in PAIRS.into_iter().flat_map(|pair| BUDGETS.map(|budget| (pair, budget))) {
        let fired_after = |errors: u64| {
            let mut route = Route::new();
            for _ in 0..2 * pair.long {
                route.minute(MANY, 0);
            }
            let fires = |_: &usize| {
                route.minute(MANY, errors);
                route.fires(pair, budget)
            };
            (1..=pair.long).find(fires)
        };
        let twice = 2 * at(pair, budget);
        if twice < MANY {
            // Half of a window at twice the threshold is the threshold itself, which must be exceeded.
            assert_eq!(fired_after(twice), Some(pair.long / 2 + 1), "{pair:?}, {budget}");
            assert_eq!(fired_after(twice + 1), Some(pair.long / 2), "{pair:?}, {budget}");
        }
        // More than all cannot fail: as much of the window must have failed as the threshold is of all.
        let share = usize::try_from(at(pair, budget)).unwrap() * pair.long / usize::try_from(MANY).unwrap();
        assert_eq!(fired_after(MANY), Some(share + 1), "{pair:?}, {budget}");
    }
}

#[test]
fn i_70_what_has_recovered_clears_within_the_short_window() {
    for (pair, budget) in PAIRS.into_iter().flat_map(|pair| BUDGETS.map(|budget| (pair, budget))) {
        let mut route = Route::new();
        for _ in 0..pair.long {
            route.minute(MANY, MANY);
        }
        assert!(route.fires(pair, budget));
        for _ in 0..pair.short {
            route.minute(MANY, 0);
        }
        assert!(!route.fires(pair, budget), "{pair:?}, {budget}");
        // And where nobody asks any more.
        let mut route = Route::new();
        route.minute(MANY, MANY);
        for _ in 0..pair.short {
            assert!(route.fires(pair, budget), "{pair:?}, {budget}");
            route.minute(0, 0);
        }
        assert!(!route.fires(pair, budget), "{pair:?}, {budget}");
    }
}

#[test]
fn i_70_fewer_than_ten_errors_never_fire() {
    for pair in PAIRS {
        let mut route = Route::new();
        // Each of them within one window, and each request an error.
        for errors in 1..LEAST_ERRORS {
            route.minute(1, 1);
            assert!(!route.fires(pair, 1_000), "{errors}");
        }
        route.minute(1, 1);
        assert!(route.fires(pair, 1_000));
        // Nine in each window, for a day.
        let mut route = Route::new();
        for minute in 0..1440 {
            let errs = u64::from(minute % pair.long < 9);
            route.minute(errs, errs);
            assert!(!route.fires(pair, 1_000), "{pair:?} in minute {minute}");
        }
    }
}

#[test]
fn i_70_holds_of_any_rate_and_objective() {
    let mut random = fastrand::Rng::with_seed(70);
    for _ in 0..300 {
        let (pair, budget) = (PAIRS[random.usize(0..PAIRS.len())], random.u32(1..50_000));
        let requests = random.u64(1..10_000);
        let most = at(pair, budget) * requests / MANY;
        let mut route = Route::new();
        for _ in 0..pair.long + random.usize(0..60) {
            // Never above the threshold in any minute.
            route.minute(requests, random.u64(0..=most));
            assert!(!route.fires(pair, budget));
        }
        let before = route.samples.burn(pair, budget).long;
        for _ in 0..pair.long {
            route.minute(requests, requests);
        }
        let all = pair.long as u64 * requests;
        assert_eq!(route.samples.within(pair.long), Counts { requests: all, errors: all }, "not {before:?}");
        assert_eq!(route.fires(pair, budget), all >= LEAST_ERRORS);
        for _ in 0..pair.short {
            route.minute(requests, 0);
        }
        assert!(!route.fires(pair, budget));
    }
}

#[test]
fn the_first_sample_is_what_was_before() {
    let mut samples = Samples::default();
    assert_eq!(samples.within(60), Counts::default());
    samples.push(Counts { requests: 5000, errors: 5000 });
    assert_eq!(samples.within(60), Counts::default());
    assert!(!samples.burn(PAIRS[0], 1_000).fires);
    samples.push(Counts { requests: 5010, errors: 5010 });
    let ten = Counts { requests: 10, errors: 10 };
    assert_eq!(samples.burn(PAIRS[1], 1_000), Burn { long: ten, short: ten, fires: true });
}

#[test]
fn a_counter_that_begins_again_loses_nothing_that_it_shows() {
    let mut samples = Samples::default();
    for (requests, errors) in [(100, 9), (200, 19), (50, 0), (80, 3)] {
        samples.push(Counts { requests, errors });
    }
    assert_eq!(samples.within(1), Counts { requests: 30, errors: 3 });
    assert_eq!(samples.within(2), Counts { requests: 80, errors: 3 });
    assert_eq!(samples.within(60), Counts { requests: 180, errors: 13 });
}

#[test]
fn a_window_forgets_what_is_older_than_it_and_memory_is_bounded() {
    let mut route = Route::new();
    route.minute(7, 7);
    for minute in 1..3000 {
        assert_eq!(route.samples.within(360).errors, if minute <= 360 { 7 } else { 0 }, "{minute}");
        route.minute(1, 0);
    }
    assert_eq!(route.samples.within(360).requests, 360);
    assert_eq!(route.samples.within(5).requests, 5);
    // A longer window than is kept is as long as what is kept.
    assert_eq!(route.samples.within(100_000).requests, 360);
}

//! The throttle against a naive recount.

use std::collections::HashMap;
use std::time::Duration;

use hardening_cores::policy::circuit_breaker::Verdict;
use hardening_cores::policy::throttle::Throttle;
use hardening_spec::{CircuitBreakerSpec, Window};

use super::support::{MILLI, Nanos, SECOND, for_each_seed};

const BUCKETS: u64 = 16;

fn spec(window: Nanos, multiplier: f64) -> CircuitBreakerSpec {
    CircuitBreakerSpec::ADAPTIVE
        .with_multiplier(multiplier)
        .with_window(Window::Time(Duration::from_nanos(window)))
}

#[test]
fn the_probability_is_that_of_the_book() {
    let throttle = Throttle::new(&spec(SECOND, 2.5).with_min_calls(10), 0);
    for (requests, accepts, refused) in [
        (9, 0, 0.0),
        (10, 4, 0.0),
        (10, 3, 3.0 / 11.0),
        (10, 0, 0.9),
        (99, 20, 0.49),
        (100, 40, 0.0),
        (1000, 0, 0.9),
    ] {
        let found = throttle.probability(requests, accepts);
        assert!((found - refused).abs() < 1e-9, "{accepts} of {requests}: {found}, not {refused}");
    }
}

#[test]
fn a_throttle_holds_what_is_younger_than_its_window() {
    for_each_seed(200, |random| {
        let width = random.u64(1..50) * MILLI;
        let throttle = Throttle::new(&spec(width * BUCKETS, 2.0).with_min_calls(u32::MAX), 0);
        // By bucket: requests, accepts.
        let mut held: HashMap<u64, (u64, u64)> = HashMap::new();
        let (mut now, mut running) = (0, Vec::new());
        for _ in 0..400 {
            now += match random.u8(..20) {
                0 => random.u64(..width * 40),
                1..4 => width * random.u64(..4),
                4..10 => 0,
                _ => random.u64(..=width / 2),
            };
            if running.is_empty() || random.bool() {
                assert!(throttle.admit(now, 0.0), "nothing is judged");
                held.entry(now / width).or_default().0 += 1;
                running.push(now);
            } else {
                let admitted: Nanos = running.swap_remove(random.usize(..running.len()));
                let bucket = held.get_mut(&(admitted / width)).unwrap();
                let verdict = match random.u8(..4) {
                    0 => Verdict::Failure,
                    1 => Verdict::Neither,
                    2 => Verdict::Unfinished,
                    _ => Verdict::Success,
                };
                match verdict {
                    Verdict::Success => bucket.1 = (bucket.1 + 1).min(bucket.0),
                    Verdict::Neither | Verdict::Unfinished => {
                        *bucket = (bucket.0 - 1, bucket.1.min(bucket.0 - 1));
                    }
                    Verdict::Failure => {}
                }
                throttle.ended(admitted, verdict);
            }
            let young = held.iter().filter(|(epoch, _)| now / width - **epoch < BUCKETS);
            let expected = young.fold((0, 0), |sum, (_, held)| (sum.0 + held.0, sum.1 + held.1));
            assert_eq!(throttle.counts(now), expected, "at {now}");
        }
    });
}

/// Of calls that have ended, all in one bucket.
fn ended(throttle: &Throttle, now: Nanos, calls: u64, verdict: Verdict) {
    for _ in 0..calls {
        throttle.admit(now, 1.0);
        throttle.ended(now, verdict);
    }
}

#[test]
fn chance_decides_at_exactly_the_probability() {
    let throttle = Throttle::new(&spec(16 * SECOND, 2.0), 0);
    ended(&throttle, SECOND, 39, Verdict::Success);
    ended(&throttle, SECOND, 60, Verdict::Failure);
    assert_eq!((throttle.counts(SECOND), throttle.decisions()), ((99, 39), (99, 0)));
    // (99 - 2 × 39) / 100
    assert!(!throttle.admit(SECOND, 0.2099));
    assert_eq!((throttle.counts(SECOND), throttle.decisions()), ((100, 39), (99, 1)), "it was asked for");
    // (100 - 2 × 39) / 101
    let exactly = 22.0 / 101.0;
    assert!(throttle.admit(SECOND, exactly));
    // It runs, and is taken for accepted until it has failed: (101 - 2 × 40) / 102.
    assert!(throttle.admit(SECOND, 21.0 / 102.0));
    // (102 - 2 × 41) / 103
    assert!(!throttle.admit(SECOND, 20.0 / 103.0 - 1e-9));
    assert_eq!(throttle.decisions(), (101, 2));
}

#[test]
fn one_call_in_a_second_passes_whatever_chance_says() {
    let throttle = Throttle::new(&spec(16 * SECOND, 2.0), 0);
    ended(&throttle, 5 * SECOND, 1000, Verdict::Failure);
    assert!(!throttle.admit(6 * SECOND - 1, 0.0));
    assert!(throttle.admit(6 * SECOND, 0.0) && !throttle.admit(6 * SECOND, 0.0));
    assert!(!throttle.admit(7 * SECOND - 1, 0.0));
    // One that passed by chance counts as well.
    assert!(throttle.admit(7 * SECOND - 1, 0.99));
    assert!(!throttle.admit(7 * SECOND, 0.0) && throttle.admit(8 * SECOND - 1, 0.0));
    // A clock that is behind is no reason.
    assert!(!throttle.admit(7 * SECOND, 0.0));
}

#[test]
fn switched_off_everything_passes_uncounted_and_other_numbers_take_effect() {
    let throttle = Throttle::new(&spec(16 * SECOND, 2.0), 0);
    ended(&throttle, SECOND, 100, Verdict::Failure);
    throttle.tune(None);
    assert!((0..100).all(|_| throttle.admit(SECOND, 0.0)));
    assert_eq!((throttle.counts(SECOND).0, throttle.decisions()), (100, (100, 0)));
    throttle.tune(Some(&spec(16 * SECOND, 2.0).with_min_calls(1000)));
    assert!(throttle.admit(SECOND, 0.0), "too little is known");
    throttle.tune(Some(&spec(16 * SECOND, 2.0).with_window(Window::Calls(5))));
    // Nothing says how long calls are looked back on: half a minute.
    let throttle = Throttle::new(&spec(0, 2.0).with_window(Window::Calls(5)), 0);
    ended(&throttle, SECOND, 5, Verdict::Failure);
    assert_eq!((throttle.counts(30 * SECOND - 1), throttle.counts(30 * SECOND)), ((5, 0), (0, 0)));
    // Less than a nanosecond for each bucket is one.
    let throttle = Throttle::new(&spec(3, 2.0), 0);
    ended(&throttle, 5, 3, Verdict::Success);
    assert_eq!((throttle.counts(20), throttle.counts(21)), ((3, 3), (0, 0)));
}

/// What is admitted twice and ended twice is as much as never.
#[test]
fn no_more_is_accepted_than_was_asked() {
    let throttle = Throttle::new(&spec(16 * SECOND, 2.0), 0);
    assert!(throttle.admit(SECOND, 0.0));
    for verdict in [Verdict::Success, Verdict::Success] {
        throttle.ended(SECOND, verdict);
        assert_eq!(throttle.counts(SECOND), (1, 1));
    }
    for _ in 0..2 {
        throttle.ended(SECOND, Verdict::Neither);
        assert_eq!(throttle.counts(SECOND), (0, 0));
    }
    // What was admitted by an older lap is not there.
    assert!(throttle.admit(17 * SECOND, 0.0));
    throttle.ended(SECOND, Verdict::Success);
    assert_eq!(throttle.counts(17 * SECOND), (1, 0));
}

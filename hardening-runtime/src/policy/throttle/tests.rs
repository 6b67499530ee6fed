//! The share that is refused, and what is remembered for how long.

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
        assert!((mean - wanted).abs() <= 0.1 * wanted, "K {multiplier}, {capacity}/s: {mean}, not {wanted}");
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
    let spec = |seconds| CircuitBreakerSpec::ADAPTIVE.with_window(Window::Time(Duration::from_secs(seconds)));
    throttle.tune(Some(&spec(10)));
    assert_eq!(throttle.counts(SECOND), (30, 0));
    throttle.tune(Some(&spec(20)));
    assert_eq!(throttle.counts(SECOND), (0, 0));
}

#[test]
fn a_word_holds_a_bucket_and_full_numbers_keep_their_share() {
    for (lap, requests, accepts) in [(0, 0, 0), (4095, Held::FULL, Held::FULL), (7, 5, 3), (1, Held::FULL, 0)]
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

#[test]
fn buckets_of_another_width_are_not_those_of_now() {
    let throttle = throttle(2.0);
    // The first bucket is the first one whatever its width.
    assert!(throttle.admit(0, 0.0));
    assert_eq!(throttle.counts(0), (1, 0));
    let wider = CircuitBreakerSpec::ADAPTIVE.with_window(Window::Time(Duration::from_secs(20)));
    throttle.tune(Some(&wider));
    assert_eq!(throttle.counts(0), (0, 0));
}

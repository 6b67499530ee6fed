//! Limits with keys: a bounded map that forgets only what it may.

use std::collections::HashMap;
use std::time::Duration;

use hardening_cores::policy::rate_limit::{Decision, Limiter, hash_key};
use hardening_spec::{Rate, RateLimitSpec};

use super::support::{MILLI, Nanos, SECOND, for_each_seed};

fn spec(period: Nanos, burst: u32) -> RateLimitSpec {
    RateLimitSpec::new(Rate::new(1, Duration::from_nanos(period))).with_burst(burst)
}

fn keyed(spec: RateLimitSpec, max_keys: u32) -> Limiter {
    Limiter::new("keyed", spec.with_key(true).with_max_keys(max_keys))
}

fn allowed(decision: Decision) -> bool {
    matches!(decision, Decision::Allowed { .. })
}

#[test]
fn i_38_each_key_behaves_like_a_limiter_of_its_own() {
    for_each_seed(100, |random| {
        let spec = spec(random.u64(1..100) * MILLI, random.u32(1..6));
        let limiter = keyed(spec, 50);
        let mut own = HashMap::new();
        let mut now = SECOND;
        for _ in 0..1000 {
            now += random.u64(..5 * MILLI);
            let (key, cost) = (hash_key(&random.u32(..50)), random.u32(1..3));
            let alone = own.entry(key).or_insert_with(|| Limiter::new("alone", spec));
            assert_eq!(limiter.check(key, cost, now), alone.check(0, cost, now), "at {now}");
        }
        assert_eq!(limiter.counts().2, 0, "there was room for every key");
    });
}

/// With fewer places than keys: never more keys than places, and no key is ever admitted beyond its own bound plus
/// that of the limit that the keys without a place share.
#[test]
fn i_38_a_crowded_limiter_stays_bounded() {
    for_each_seed(100, |random| {
        let (period, burst, places) = (random.u64(1..40) * MILLI, random.u32(1..4), random.u32(1..8));
        let limiter = keyed(spec(period, burst), places);
        let (mut now, mut admitted, mut asked) = (SECOND, 0_u64, 0);
        let (begun, keys) = (now, 40_u32);
        for _ in 0..2000 {
            now += random.u64(..MILLI);
            asked += 1;
            admitted += u64::from(allowed(limiter.check(hash_key(&random.u32(..keys)), 1, now)));
            assert!(limiter.keys() <= places as usize, "{} keys in {places} places", limiter.keys());
        }
        let (counted, refused, overflow) = limiter.counts();
        assert_eq!((counted, counted + refused), (admitted, asked));
        assert!(overflow > 0 && overflow <= asked);
        let flowed = (now - begun) / period;
        // Each of the keys, and the shared limit.
        assert!(admitted <= u64::from(keys + 1) * (u64::from(burst) + flowed), "{admitted}");
    });
}

/// Only a key whose limit is full again may be forgotten: forgetting it changes no decision.
#[test]
fn i_38_a_key_in_use_is_never_forgotten() {
    let period = 100 * MILLI;
    let limiter = keyed(spec(period, 1), 3);
    let [first, second, later, fourth, fifth] = [0, 1, 2, 3, 4].map(|key: u32| hash_key(&key));
    for key in [first, second] {
        assert!(allowed(limiter.check(key, 1, SECOND)));
    }
    assert!(allowed(limiter.check(later, 1, SECOND + 50 * MILLI)));
    // No place: `fourth` and `fifth` share one limit, and are counted.
    assert!(allowed(limiter.check(fourth, 1, SECOND + 60 * MILLI)));
    assert!(!allowed(limiter.check(fifth, 1, SECOND + 60 * MILLI)));
    assert_eq!((limiter.keys(), limiter.counts().2), (3, 2));
    // `first` and `second` are full again and make room, `later` is not and stays refused.
    assert!(allowed(limiter.check(fourth, 1, SECOND + period)), "a place is free, and its own limit is full");
    assert!(allowed(limiter.check(fifth, 1, SECOND + period)));
    assert!(!allowed(limiter.check(later, 1, SECOND + period)), "it was forgotten, and got a new burst");
    assert_eq!((limiter.keys(), limiter.counts().2), (3, 2));
    let refused = limiter.check(later, 1, SECOND + period);
    assert_eq!(refused, Decision::Refused { retry_after: Duration::from_millis(50), limit: 1, remaining: 0 });
}

#[test]
fn i_41_threads_bring_no_more_keys_than_there_are_places() {
    for round in 0..50 {
        let limiter = keyed(spec(SECOND, 1), 10);
        let admitted = std::thread::scope(|threads| {
            let call = |thread: u32| {
                let limiter = &limiter;
                move || {
                    (0..60).filter(|key| allowed(limiter.check(hash_key(&(key + thread)), 1, SECOND))).count()
                }
            };
            let calls: Vec<_> = (0..3).map(|thread| threads.spawn(call(thread))).collect();
            calls.into_iter().map(|call| call.join().unwrap()).sum::<usize>()
        });
        assert_eq!(limiter.keys(), 10, "round {round}");
        // Ten keys of their own, and one for all others.
        assert_eq!(admitted, 11, "round {round}");
    }
}

//! The bound of keys.

use super::*;

fn admits(limiter: &Limiter, key: u64, now: Nanos) -> (bool, u64) {
    let admitted = limiter.admits(Charge { key, cost: 1 }, now);
    (admitted, limiter.counts().2)
}

#[test]
fn another_bound_of_keys_holds_at_once() {
    let limiter = keyed(1, 1);
    assert!(limiter.keyed.as_ref().unwrap().is_empty());
    let tune = |max_keys| {
        limiter.tune_at(Some(&each_second(1).with_key(true).with_max_keys(max_keys)), NOW);
    };
    assert_eq!(admits(&limiter, 1, NOW), (true, 0));
    assert!(!limiter.keyed.as_ref().unwrap().is_empty());
    assert_eq!(admits(&limiter, 2, NOW), (true, 1), "in the limit of all that have no room");
    tune(2);
    assert_eq!((admits(&limiter, 3, NOW), limiter.keys()), ((true, 1), 2));
    tune(1);
    assert_eq!(
        (admits(&limiter, 4, NOW).0, limiter.keys()),
        (false, 2),
        "those beyond it stay until they are idle"
    );
}

#[test]
fn keys_are_not_looked_through_for_each_one_that_has_no_room() {
    let limiter = keyed(1, 1);
    assert_eq!(admits(&limiter, 1, NOW), (true, 0));
    let idle = NOW + SECOND;
    assert_eq!(admits(&limiter, 2, idle - 1), (true, 1));
    assert_eq!((admits(&limiter, 3, idle).0, limiter.keys()), (false, 1), "just looked");
    let later = idle - 1 + 10_000_000;
    assert_eq!(admits(&limiter, 4, later), (true, 1));
    assert!(limiter.keyed.as_ref().unwrap().peek(4).is_some(), "in place of the one that is idle");
}

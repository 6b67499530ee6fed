//! Charges that may wait, are given back, or are made where nothing is limited.

use hardening_spec::Rate;

use super::*;

const SECOND: Nanos = 1_000_000_000;
const NOW: Nanos = 100 * SECOND;

/// A unit each second.
fn each_second(burst: u32) -> RateLimitSpec {
    RateLimitSpec {
        wait: Duration::from_secs(10),
        ..RateLimitSpec::new(Rate::per_secs(1, 1)).with_burst(burst)
    }
}

fn keyed(burst: u32, max_keys: u32) -> Limiter {
    Limiter::new("keyed", each_second(burst).with_key(true).with_max_keys(max_keys))
}

/// One that has admitted one unit, and the next turn is in a second.
fn taken() -> Limiter {
    let limiter = Limiter::new("taken", each_second(1));
    assert!(limiter.admits_one(NOW) && !limiter.admits_one(NOW));
    limiter
}

/// The turn of a unit, in seconds from [`NOW`].
#[track_caller]
fn reserved(limiter: &Limiter) -> u64 {
    let turn = limiter.reserve(Charge::ONE, NOW, NEVER, true).unwrap_or_else(|_| panic!("refused"));
    turn / SECOND
}

fn give_up(limiter: &Limiter, turn: u64) {
    limiter.give_up_turn(Charge::ONE, NOW + turn * SECOND, NOW);
}

#[test]
fn a_charge_knows_its_key_and_cost() {
    let (plain, keyed) = (Charge::plain(3), Charge::keyed("me", 2));
    assert_eq!((plain.key(), plain.cost, Charge::ONE.cost), (0, 3, 1));
    assert_eq!((keyed.key(), keyed.cost), (hash_key("me"), 2));
    assert!(keyed.key() > 1, "a hash");
}

#[test]
fn a_limiter_says_what_it_is() {
    let limiter = Limiter::new("named", each_second(7));
    assert_eq!((limiter.name(), limiter.burst(), limiter.is_keyed(), limiter.keys()), ("named", 7, false, 0));
    limiter.tune(Some(&each_second(9)));
    assert_eq!(limiter.burst(), 9);
    assert!(keyed(1, 1).is_keyed());
}

#[test]
fn one_unit_is_admitted_like_any_charge() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let spec = each_second(random.u32(1..5));
        let (one, any) = (Limiter::new("one", spec), Limiter::new("any", spec));
        let (mut now, mut admitted) = (NOW, 0);
        for _ in 0..100 {
            now += random.u64(..2 * SECOND);
            let said = one.admits_one(now);
            assert_eq!(said, any.admits(Charge::ONE, now), "at {now}");
            admitted += u64::from(said);
        }
        assert_eq!((one.counts(), any.counts()), ((admitted, 0, 0), (0, 0, 0)), "the other is counted apart");
        any.count_allowed();
        assert_eq!(any.counts(), (1, 0, 0));
    }
}

#[test]
fn without_a_limit_everything_passes_and_no_key_is_kept() {
    for limiter in [Limiter::new("plain", each_second(1)), keyed(1, 2)] {
        let charge = Charge { key: 7, cost: 1 };
        assert!(limiter.admits(charge, NOW) && !limiter.admits(charge, NOW));
        let keys = limiter.keys();
        limiter.tune(None);
        for key in 0..10 {
            assert!(limiter.admits(Charge { key, cost: 1000 }, NOW));
            assert!(matches!(limiter.check(key, 1000, NOW), Decision::Allowed { .. }));
            assert!(limiter.reserve(Charge { key, cost: 1000 }, NOW, 0, false).is_ok_and(|wait| wait == 0));
        }
        assert_eq!((limiter.keys(), limiter.counts().2), (keys, 0));
        limiter.tune(Some(&each_second(1)));
        assert!(!limiter.admits(charge, NOW), "what was charged stays charged");
    }
}

#[test]
fn turns_come_one_after_another_within_the_patience() {
    let limiter = taken();
    assert_eq!([reserved(&limiter), reserved(&limiter), reserved(&limiter)], [1, 2, 3]);
    let refused = limiter.reserve(Charge::ONE, NOW, 4 * SECOND - 1, true).expect_err("1 ns too little");
    assert_eq!((refused.retry_after, refused.remaining), (4 * SECOND, 0));
    assert_eq!(limiter.counts(), (1, 1, 0), "a charge that waits is not yet counted");
    for turn in 4..=10 {
        assert_eq!(reserved(&limiter), turn);
    }
    let refused = limiter.reserve(Charge::ONE, NOW, NEVER, true).expect_err("beyond its own patience");
    assert_eq!(refused.retry_after, 11 * SECOND);
    let refused = limiter.reserve(Charge::plain(2), NOW, NEVER, true).expect_err("more than the burst");
    assert_eq!(refused.retry_after, NEVER);
}

#[test]
fn what_another_limit_refused_is_given_back() {
    for limiter in [Limiter::new("plain", each_second(3)), keyed(3, 2)] {
        let charge = Charge { key: 7, cost: 2 };
        let left = |key| match limiter.check(key, 1, NOW) {
            Decision::Allowed { remaining, .. } | Decision::Refused { remaining, .. } => remaining,
        };
        assert!(limiter.admits(charge, NOW));
        assert_eq!(left(7), 0);
        limiter.refund(charge);
        assert_eq!(left(7), 1);
    }
}

#[test]
fn the_last_turn_is_taken_off_and_any_other_is_kept_for_the_next() {
    let limiter = taken();
    let turns = [reserved(&limiter), reserved(&limiter), reserved(&limiter)];
    assert_eq!(turns, [1, 2, 3]);
    give_up(&limiter, 3);
    assert_eq!(reserved(&limiter), 3, "the last one is there again");
    give_up(&limiter, 1);
    assert_eq!(
        limiter.reserve(Charge::ONE, NOW, NEVER, false).ok(),
        Some(4 * SECOND),
        "together with other limits no free turn is taken"
    );
    assert_eq!(reserved(&limiter), 1);
    assert_eq!(reserved(&limiter), 5);
    // Those before the last that were given up go with it.
    give_up(&limiter, 3);
    give_up(&limiter, 4);
    give_up(&limiter, 5);
    assert_eq!([reserved(&limiter), reserved(&limiter)], [3, 4]);
}

#[test]
fn a_turn_that_nobody_can_find_any_more_is_not_kept() {
    let limiter = taken();
    assert_eq!(reserved(&limiter), 1);
    limiter.refund(Charge::ONE);
    give_up(&limiter, 1);
    assert_eq!([reserved(&limiter), reserved(&limiter)], [1, 2], "nobody's turn came twice");
}

#[test]
fn of_a_charge_that_goes_on_to_wait_elsewhere_the_rest_is_given_back() {
    let remaining = |limiter: &Limiter, now| limiter.remaining(0, now);
    let limiter = Limiter::new("rest", each_second(5));
    assert!(limiter.admits(Charge::plain(4), NOW));
    limiter.give_up_rest(Charge::plain(4), NOW, NOW + SECOND);
    assert_eq!(remaining(&limiter, NOW + SECOND), 5, "one has flowed off, three are given back");
    // While somebody waits here nothing is given back.
    let limiter = taken();
    assert_eq!([reserved(&limiter), reserved(&limiter)], [1, 2]);
    limiter.give_up_rest(Charge::ONE, NOW, NOW);
    assert_eq!(reserved(&limiter), 3);
}

#[test]
fn keys_without_a_place_share_one_limit_and_each_is_counted_once() {
    let limiter = keyed(2, 1);
    let charge = |key, cost| Charge { key, cost };
    assert!(limiter.admits(charge(1, 2), NOW));
    assert!(limiter.admits(charge(2, 1), NOW) && limiter.counts().2 == 1);
    assert!(!limiter.admits(charge(3, 2), NOW));
    assert_eq!(limiter.counts().2, 1, "it may wait, and is counted then");
    assert!(limiter.reserve(charge(3, 2), NOW, NEVER, true).is_ok_and(|wait| wait == SECOND));
    assert_eq!(limiter.counts().2, 2);
    let refused = limiter.reserve(charge(4, 2), NOW, 0, true).expect_err("its turn is later");
    assert_eq!((refused.remaining, limiter.counts().2), (0, 3));
    // A key with a place has its own number.
    limiter.refund(charge(1, 1));
    assert_eq!((limiter.remaining(1, NOW), limiter.remaining(4, NOW)), (1, 0));
    limiter.refund(charge(2, 2));
    assert_eq!((limiter.remaining(1, NOW), limiter.remaining(2, NOW)), (1, 1));
}

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

/// A limit that lives as long as those of sites.
fn lasting(limiter: Limiter) -> &'static Limiter {
    Box::leak(Box::new(limiter))
}

/// One that has admitted one unit, and the next turn is in a second.
fn taken() -> &'static Limiter {
    let limiter = lasting(Limiter::new("taken", each_second(1)));
    assert!(limiter.admits_one(NOW) && !limiter.admits_one(NOW));
    limiter
}

fn ask(limits: &[(&'static Limiter, Charge)], now: Nanos, until: Nanos) -> Entered {
    let asked: Vec<_> =
        (0..).zip(limits).map(|(position, &(limiter, charge))| Asked { limiter, charge, position }).collect();
    enter(&asked, now, until)
}

#[track_caller]
fn reserve(limits: &[(&'static Limiter, Charge)], now: Nanos) -> Reservation {
    match ask(limits, now, NEVER) {
        Entered::Later(turn) => turn,
        Entered::Now => panic!("admitted"),
        Entered::Refused(position, refused) => panic!("{position} refused for {}", refused.retry_after),
    }
}

#[track_caller]
fn refused(limits: &[(&'static Limiter, Charge)], now: Nanos, until: Nanos) -> (u8, Nanos, u32) {
    match ask(limits, now, until) {
        Entered::Refused(position, refused) => (position, refused.retry_after, refused.remaining),
        Entered::Now | Entered::Later(_) => panic!("not refused"),
    }
}

/// In seconds from [`NOW`].
fn seconds(turn: &Reservation) -> u64 {
    (turn.turn() - NOW) / SECOND
}

#[test]
fn a_charge_knows_its_key_and_cost() {
    let (plain, keyed) = (Charge::plain(3), Charge::keyed("me", 2));
    assert_eq!((plain.key(), plain.cost(), Charge::ONE.cost()), (0, 3, 1));
    assert_eq!((keyed.key(), keyed.cost()), (hash_key("me"), 2));
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
        let (limiter, charge) = (lasting(limiter), Charge { key: 7, cost: 1 });
        assert!(limiter.admits(charge, NOW) && !limiter.admits(charge, NOW));
        let keys = limiter.keys();
        limiter.tune_at(None, NOW);
        for key in 0..10 {
            assert!(limiter.admits(Charge { key, cost: 1000 }, NOW));
            assert!(matches!(limiter.check(key, 1000, NOW), Decision::Allowed { .. }));
            assert!(matches!(ask(&[(limiter, Charge { key, cost: 1000 })], NOW, NOW), Entered::Now));
        }
        assert_eq!((limiter.keys(), limiter.counts().2), (keys, 0));
        limiter.tune_at(Some(&each_second(1)), NOW);
        assert!(!limiter.admits(charge, NOW), "what was charged stays charged");
    }
}

#[test]
fn turns_come_one_after_another_within_the_patience() {
    let limiter = taken();
    let one = [(limiter, Charge::ONE)];
    let mut turns: Vec<_> = (0..3).map(|_| reserve(&one, NOW)).collect();
    assert_eq!(turns.iter().map(seconds).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(refused(&one, NOW, NOW + 4 * SECOND - 1), (0, 4 * SECOND, 0), "1 ns too little");
    assert_eq!(limiter.counts(), (1, 1, 0), "a charge that waits is not yet counted");
    turns.extend((4..=10).map(|_| reserve(&one, NOW)));
    assert_eq!(refused(&one, NOW, NEVER), (0, 11 * SECOND, 0), "beyond its own patience");
    assert_eq!(refused(&[(limiter, Charge::plain(2))], NOW, NEVER), (0, NEVER, 0), "more than the burst");
    assert!(matches!(limiter.check(0, 1, NOW), Decision::Refused { retry_after, remaining: 0, .. }
        if retry_after == Duration::from_secs(11)));
    assert!(matches!(turns[0].look(NOW + SECOND - 1), Look::Waits(at) if at == NOW + SECOND));
    assert!(matches!(turns[0].look(NOW + SECOND), Look::Passed));
    for turn in turns {
        turn.give_up(NOW + SECOND);
    }
    assert!(limiter.admits_one(NOW + 2 * SECOND), "nobody waits any more");
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
        limiter.refund(charge, NOW);
        assert_eq!(left(7), 1);
    }
}

/// A charge that is given back while others wait makes room for them.
#[test]
fn what_is_given_back_is_for_those_who_wait() {
    let limiter = lasting(Limiter::new("given back", each_second(2)));
    assert!(limiter.admits_one(NOW) && limiter.admits_one(NOW));
    let turn = reserve(&[(limiter, Charge::ONE)], NOW);
    assert_eq!(seconds(&turn), 1);
    limiter.refund(Charge::ONE, NOW);
    assert!(matches!(turn.look(NOW), Look::Passed));
    assert_eq!(limiter.remaining(0, NOW), 0);
    assert_eq!(limiter.remaining(0, NOW + SECOND), 1);
}

#[test]
fn a_turn_that_is_given_up_is_there_again_whatever_it_costs() {
    let limiter = lasting(Limiter::new("burst", each_second(3)));
    assert!(limiter.admits(Charge::plain(3), NOW));
    let of = |cost| reserve(&[(limiter, Charge::plain(cost))], NOW);
    let (two, one, three) = (of(2), of(1), of(3));
    assert_eq!([seconds(&two), seconds(&one), seconds(&three)], [2, 3, 6]);
    two.give_up(NOW);
    assert_eq!(limiter.remaining(0, NOW + 2 * SECOND), 2, "the others keep theirs");
    let (first, second) = (of(1), of(1));
    assert_eq!([seconds(&first), seconds(&second)], [1, 2]);
    for turn in [one, three, first, second] {
        turn.give_up(NOW);
    }
    assert_eq!(seconds(&of(3)), 3);
}

/// A gap that nobody has taken shortly before it comes goes to the next caller behind, and so on.
#[test]
fn callers_behind_a_gap_move_up_shortly_before_it_comes() {
    let limiter = taken();
    let turns: Vec<_> = (0..6).map(|_| reserve(&[(limiter, Charge::ONE)], NOW)).collect();
    let [first, second, third, fourth, _fifth, _sixth] = <[_; 6]>::try_from(turns).unwrap();
    first.give_up(NOW);
    let ahead = |turn: &Reservation, now| match turn.look(now) {
        Look::Waits(at) => at,
        _ => panic!("not waiting"),
    };
    let alarm = ahead(&second, NOW);
    assert!(alarm < NOW + SECOND && alarm > NOW + SECOND / 2, "not yet: newcomers may have it");
    assert!(
        ahead(&third, NOW) > alarm && ahead(&third, NOW) < NOW + SECOND,
        "should the second not be polled"
    );
    assert_eq!(seconds(&second), 2);
    assert_eq!(ahead(&second, alarm), NOW + SECOND);
    assert_eq!(seconds(&second), 1);
    assert_eq!(
        ahead(&fourth, alarm),
        NOW + 4 * SECOND - 8_000_000 + 1_000_000 - SECOND * 2,
        "for the gap at 2"
    );
    assert_eq!(seconds(&third), 3);
    assert!(matches!(second.look(NOW + SECOND), Look::Passed));
    let newcomer = reserve(&[(limiter, Charge::ONE)], NOW + SECOND);
    assert_eq!(seconds(&newcomer), 2, "a newcomer may have it before");
    assert_eq!(ahead(&third, NOW + SECOND), NOW + 3 * SECOND);
}

/// All limits are charged at one moment, when the call passes the last of them.
#[test]
fn several_limits_have_one_turn() {
    let slow = taken();
    let fast = lasting(keyed(1, 10));
    let limits = |key| [(slow, Charge::ONE), (fast, Charge { key, cost: 1 })];
    let (a, b) = (reserve(&limits(7), NOW), reserve(&limits(8), NOW));
    assert_eq!([seconds(&a), seconds(&b)], [1, 2]);
    let soon = NOW + SECOND / 2;
    assert_eq!((fast.remaining(7, NOW), fast.remaining(7, soon)), (1, 0), "kept for the one that waits");
    assert_eq!((fast.remaining(8, soon), fast.remaining(8, soon + SECOND)), (1, 0));
    assert_eq!(fast.remaining(9, NOW), 1);
    a.give_up(NOW);
    assert_eq!(fast.remaining(7, soon), 1, "given back everywhere");
    assert_eq!(seconds(&reserve(&limits(8), NOW)), 1);
    assert!(matches!(b.look(NOW + 2 * SECOND), Look::Passed));
    // What one of them refuses is charged nowhere.
    let impatient =
        lasting(Limiter::new("impatient", RateLimitSpec { wait: Duration::ZERO, ..each_second(1) }));
    assert!(impatient.admits_one(NOW + 2 * SECOND));
    let both = [(impatient, Charge::ONE), (slow, Charge::ONE)];
    assert_eq!(refused(&both, NOW + 2 * SECOND, NEVER), (0, SECOND, 0));
    assert_eq!(impatient.counts(), (1, 1, 0));
}

/// One limit twice in one call: the sum counts.
#[test]
fn one_limit_twice_is_charged_twice_at_once() {
    let limiter = lasting(Limiter::new("twice", each_second(3)));
    let twice = [(limiter, Charge::ONE), (limiter, Charge::plain(2))];
    assert!(matches!(ask(&twice, NOW, NOW), Entered::Now));
    assert_eq!(seconds(&reserve(&twice, NOW)), 3);
    let too_much = [(limiter, Charge::plain(2)), (limiter, Charge::plain(2))];
    assert_eq!(refused(&too_much, NOW, NEVER).1, NEVER);
}

#[test]
fn keys_without_a_place_share_one_limit_and_each_is_counted_once() {
    let limiter = lasting(keyed(2, 1));
    let charge = |key, cost| Charge { key, cost };
    assert!(limiter.admits(charge(1, 2), NOW));
    assert!(limiter.admits(charge(2, 1), NOW) && limiter.counts().2 == 1);
    assert!(!limiter.admits(charge(3, 2), NOW));
    assert_eq!(limiter.counts().2, 1, "it may wait, and is counted then");
    let turn = reserve(&[(limiter, charge(3, 2))], NOW);
    assert_eq!((seconds(&turn), limiter.counts().2), (1, 2));
    assert_eq!(refused(&[(limiter, charge(4, 2))], NOW, NOW), (0, 3 * SECOND, 0));
    assert_eq!(limiter.counts().2, 3);
    // A key with a place has its own number.
    limiter.refund(charge(1, 1), NOW);
    assert_eq!((limiter.remaining(1, NOW), limiter.remaining(4, NOW)), (1, 0));
    turn.give_up(NOW);
    limiter.refund(charge(2, 1), NOW);
    assert_eq!((limiter.remaining(1, NOW), limiter.remaining(2, NOW)), (1, 2));
}

/// A key for which somebody waits is not forgotten.
#[test]
fn a_key_that_is_waited_for_keeps_its_place() {
    let (slow, keys) = (taken(), lasting(keyed(1, 1)));
    let turn = reserve(&[(slow, Charge::ONE), (keys, Charge { key: 7, cost: 1 })], NOW);
    assert!(keys.admits(Charge { key: 8, cost: 1 }, NOW) && keys.counts().2 == 1, "it has no room");
    assert_eq!(keys.keys(), 1);
    turn.give_up(NOW);
    assert!(keys.admits(Charge { key: 8, cost: 1 }, NOW + SECOND) && keys.counts().2 == 1);
}

#[test]
fn other_numbers_hold_at_once() {
    for limiter in [Limiter::new("plain", each_second(10)), keyed(10, 10)] {
        let spec = each_second(10).with_key(limiter.is_keyed());
        let tuned = |rate| RateLimitSpec { rate, ..spec };
        assert!(limiter.admits(Charge { key: 7, cost: 10 }, NOW));
        limiter.tune_at(Some(&tuned(Rate::per_secs(100, 1))), NOW);
        let retry_after = |now| match limiter.check(7, 1, now) {
            Decision::Refused { retry_after, .. } => u64::try_from(retry_after.as_nanos()).unwrap(),
            Decision::Allowed { .. } => 0,
        };
        assert_eq!(retry_after(NOW), SECOND / 100, "one burst of the new numbers");
        limiter.tune_at(Some(&tuned(Rate::per_secs(1, 3600))), NOW + SECOND);
        assert!(limiter.admits(Charge { key: 7, cost: 10 }, NOW + SECOND));
        assert_eq!(retry_after(NOW + SECOND), 3600 * SECOND);
        limiter.tune_at(Some(&tuned(Rate::per_secs(1000, 1))), NOW + SECOND);
        assert_eq!(retry_after(NOW + SECOND), SECOND / 1000);
        // A charge that was being made meanwhile, under the old numbers.
        limiter.tune_at(Some(&tuned(Rate::per_secs(1, 3600))), NOW + SECOND);
        assert!(limiter.admits(Charge { key: 7, cost: 9 }, NOW + SECOND));
        limiter.tolerance.set(SECOND / 100);
        limiter.emission.set(SECOND / 1000);
        assert_eq!(retry_after(NOW + SECOND), SECOND / 1000, "is no debt for an hour");
    }
}

#[test]
fn who_waits_gets_a_turn_under_the_new_numbers_in_the_old_order() {
    let limiter =
        lasting(Limiter::new("tuned", RateLimitSpec { wait: Duration::from_mins(1), ..each_second(1) }));
    let other = lasting(keyed(10, 10));
    assert!(limiter.admits_one(NOW));
    let turns: Vec<_> =
        (0..5).map(|key| reserve(&[(other, Charge { key, cost: 1 }), (limiter, Charge::ONE)], NOW)).collect();
    let at = |turns: &[Reservation]| {
        turns.iter().map(|turn| (turn.turn() - NOW) / (SECOND / 10)).collect::<Vec<_>>()
    };
    assert_eq!(at(&turns), [10, 20, 30, 40, 50]);
    let tune = |count, per| {
        let wait = Duration::from_mins(1);
        limiter
            .tune_at(Some(&RateLimitSpec { rate: Rate::per_secs(count, per), wait, ..each_second(1) }), NOW);
    };
    tune(10, 1);
    assert_eq!(at(&turns), [1, 2, 3, 4, 5]);
    tune(1, 20);
    assert_eq!(at(&turns)[..3], [1, 201, 401]);
    assert!(
        matches!(turns[3].look(NOW), Look::Refused(1, refused) if refused.retry_after == 60 * SECOND + SECOND / 10)
    );
    assert_eq!(limiter.counts().1, 1);
    limiter.tune_at(None, NOW);
    assert!(turns[..3].iter().all(|turn| matches!(turn.look(NOW), Look::Passed)));
    assert_eq!(other.remaining(0, NOW), 9, "charged where there is a limit");
}

/// Numbers over their whole range against exact ones.
#[test]
fn arithmetic_is_exact_over_the_whole_range() {
    let random_bits = |random: &mut fastrand::Rng, bits: u32| random.u64(..) >> (64 - random.u32(1..=bits));
    for seed in 0..30_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let per = Duration::from_nanos(random_bits(&mut random, 64).max(1));
        let count = random_bits(&mut random, 32) as u32;
        let rate = Rate::new(count.max(1), per);
        let burst = random_bits(&mut random, 32) as u32;
        let gcra = Gcra::new(rate, burst);
        let unit = per.as_nanos().div_ceil(u128::from(rate.count)).max(1);
        let spec = RateLimitSpec::new(rate).with_burst(burst.max(1));
        let whole = unit * u128::from(burst);
        let refused =
            hardening_spec::rules::check(&hardening_spec::CallSpec::NONE.with_rate_limited(spec), &|_, _| {
                true
            });
        let fits = unit * u128::from(burst.max(1)) <= 100 * 365 * 86_400 * 1_000_000_000;
        let too_fast = per.as_nanos() < u128::from(rate.count);
        assert_eq!(refused.is_empty(), fits && !too_fast, "seed {seed}: {spec:?} {refused:?}");
        if fits {
            assert_eq!(
                (u128::from(gcra.emission), u128::from(gcra.tolerance), gcra.burst()),
                (unit, whole, burst)
            );
        } else {
            assert!(u128::from(gcra.tolerance) <= whole && gcra.burst() <= burst, "seed {seed}: admits more");
            assert!(gcra.tolerance < 1 << 62);
        }
        // A long way of charges against exact arithmetic.
        let limiter = Limiter::new("exact", spec);
        let (mut now, mut tat) = (u128::from(SECOND), 0_u128);
        for _ in 0..4 {
            now += u128::from(random_bits(&mut random, 59));
            let cost = random_bits(&mut random, 32) as u32;
            let next = tat.max(now) + unit * u128::from(cost);
            let admitted = next - now <= unit * u128::from(burst.max(1));
            let said = limiter.check(0, cost, u64::try_from(now).unwrap());
            if fits {
                assert_eq!(
                    matches!(said, Decision::Allowed { .. }),
                    admitted,
                    "seed {seed}: {cost} of {spec:?} at {now}"
                );
                if let Decision::Refused { retry_after, .. } = said {
                    let exact = next - now - unit * u128::from(burst.max(1));
                    let never = cost > burst.max(1);
                    assert!(
                        never == (retry_after == Duration::MAX) && (never || retry_after.as_nanos() == exact)
                    );
                }
            }
            if matches!(said, Decision::Allowed { .. }) {
                tat = next;
            }
        }
    }
}

mod crowds;
mod keys;
mod order;
mod turns;

//! The limiter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hardening_cores::policy::rate_limit::{Arrival, Decision, Gcra, Limiter};
use hardening_spec::{Rate, RateLimitSpec};

use super::support::{MILLI, Nanos, SECOND, for_each_seed};

/// Admitted charges, each with its moment.
type Admitted = Vec<(Nanos, u64)>;

/// No closed window holds more than the burst and what flows through in its time.
#[track_caller]
fn bounded(admitted: &[(Nanos, u64)], burst: u64, rate: Rate) {
    let emission = u64::try_from(rate.per.as_nanos().div_ceil(rate.count.into())).unwrap();
    for (first, (begin, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for (end, cost) in &admitted[first..] {
            sum += cost;
            let most = burst + (end - begin) / emission;
            assert!(sum <= most, "{sum} units from {begin} to {end}, {most} at most");
        }
    }
}

fn random_spec(random: &mut fastrand::Rng) -> RateLimitSpec {
    let rate = Rate::new(random.u32(1..50), Duration::from_nanos(random.u64(1_000..2 * SECOND)));
    RateLimitSpec::new(rate).with_burst(random.u32(1..20))
}

fn random_step(random: &mut fastrand::Rng, spec: RateLimitSpec) -> Nanos {
    let emission = u64::try_from(spec.rate.per.as_nanos()).unwrap() / u64::from(spec.rate.count);
    match random.u8(..10) {
        0 => random.u64(..emission * 30),
        1..6 => 0,
        _ => random.u64(..=emission),
    }
}

#[test]
fn i_38_no_window_admits_more_than_its_burst_and_its_time() {
    for_each_seed(200, |random| {
        let spec = random_spec(random);
        let limiter = Limiter::new("bounded", spec);
        let (mut now, mut admitted) = (SECOND, Admitted::new());
        for _ in 0..400 {
            now += random_step(random, spec);
            let cost = if random.bool() { 1 } else { random.u32(1..=spec.burst()) };
            if matches!(limiter.check(0, cost, now), Decision::Allowed { .. }) {
                admitted.push((now, cost.into()));
            }
        }
        bounded(&admitted, spec.burst().into(), spec.rate);
    });
}

/// A period that the count does not divide must not let the rate creep above what was written.
#[test]
fn i_38_rounding_never_exceeds_the_written_rate() {
    for count in [1, 3, 7, 11, 999, 1_000_003, 999_999_999] {
        let rate = Rate::per_secs(count, 1);
        let gcra = Gcra::new(rate, 1);
        let emission = gcra.charge(1);
        assert!(emission > 0 && u128::from(emission) * u128::from(count) >= 1_000_000_000, "{count}/s");
        assert!(
            u128::from(emission - 1) * u128::from(count) < 1_000_000_000,
            "{count}/s is slower than it need be"
        );
    }
}

#[test]
fn i_39_a_call_repeated_after_the_told_time_is_admitted() {
    for_each_seed(200, |random| {
        let spec = random_spec(random);
        let (limiter, twin) = (Limiter::new("asked", spec), Limiter::new("twin", spec));
        let mut now = SECOND;
        for _ in 0..200 {
            now += random_step(random, spec);
            let cost = random.u32(1..=spec.burst());
            let decision = limiter.check(0, cost, now);
            let Decision::Refused { retry_after, limit, remaining } = decision else {
                // What was refused in between was not charged: the twin never saw it.
                assert_eq!(twin.check(0, cost, now), decision);
                continue;
            };
            assert!(limit == spec.burst() && remaining < cost, "{remaining} left, {cost} refused");
            let wait = u64::try_from(retry_after.as_nanos()).unwrap();
            assert!(matches!(limiter.check(0, cost, now + wait - 1), Decision::Refused { .. }), "1 ns early");
            now += wait;
            let admitted = limiter.check(0, cost, now);
            assert!(matches!(admitted, Decision::Allowed { .. }), "refused after {retry_after:?}");
            assert_eq!(twin.check(0, cost, now), admitted);
        }
        assert_eq!(limiter.counts().0, twin.counts().0);
    });
}

/// What is announced is there: so many units at once, and all of them after the reset.
#[test]
fn i_39_what_remains_is_admitted_and_no_unit_more() {
    for_each_seed(200, |random| {
        let spec = random_spec(random);
        let limiter = Limiter::new("told", spec);
        let mut now = SECOND;
        for _ in 0..50 {
            now += random_step(random, spec);
            if let Decision::Allowed { remaining, reset } = limiter.check(0, 1, now) {
                for left in (0..remaining).rev() {
                    let Decision::Allowed { remaining, .. } = limiter.check(0, 1, now) else {
                        panic!("of {left}")
                    };
                    assert_eq!(remaining, left);
                }
                assert!(matches!(limiter.check(0, 1, now), Decision::Refused { .. }));
                now += u64::try_from(reset.as_nanos()).unwrap() * u64::from(spec.burst());
                assert!(matches!(
                    limiter.check(0, spec.burst(), now),
                    Decision::Allowed { remaining: 0, .. }
                ));
            }
        }
    });
}

#[test]
fn i_40_a_saturated_limit_admits_its_rate() {
    for_each_seed(100, |random| {
        let spec = random_spec(random);
        let limiter = Limiter::new("saturated", spec);
        let emission = Gcra::new(spec.rate, 1).charge(1);
        let (begun, mut now, mut admitted) = (SECOND, SECOND, 0_u64);
        while now < begun + emission * 500 {
            match limiter.check(0, 1, now) {
                Decision::Allowed { .. } => admitted += 1,
                Decision::Refused { retry_after, .. } => {
                    now += u64::try_from(retry_after.as_nanos()).unwrap();
                }
            }
        }
        let flowed = (now - begun) / emission;
        let most = flowed + u64::from(spec.burst());
        assert!((flowed..=most).contains(&admitted), "{admitted} of {flowed}");
    });
}

#[test]
fn i_41_threads_share_a_burst_exactly() {
    for round in 1..200_u32 {
        let spec = RateLimitSpec::new(Rate::per_secs(1, 1)).with_burst(round);
        let limiter = Limiter::new("shared", spec);
        let admitted = std::thread::scope(|threads| {
            let call = || {
                (0..round).filter(|_| matches!(limiter.check(0, 1, SECOND), Decision::Allowed { .. })).count()
            };
            let calls: Vec<_> = (0..3).map(|_| threads.spawn(call)).collect();
            calls.into_iter().map(|call| call.join().unwrap()).sum::<usize>()
        });
        assert_eq!(admitted, round as usize);
        assert_eq!(limiter.counts(), (round.into(), u64::from(round) * 2, 0));
    }
}

/// Three threads whose clocks race: together they keep the bound of one, and leave no unit unused.
#[test]
fn i_41_threads_keep_the_bound_of_one() {
    let rate = Rate::per_millis(1, 1);
    for seed in 0..20 {
        let limiter = Limiter::new("raced", RateLimitSpec::new(rate).with_burst(5));
        let clock = AtomicU64::new(SECOND);
        let mut admitted = std::thread::scope(|threads| {
            let call = |thread: u64| {
                let (limiter, clock) = (&limiter, &clock);
                move || {
                    let mut random = fastrand::Rng::with_seed(seed * 3 + thread);
                    let mut own = Admitted::new();
                    for _ in 0..500 {
                        let now = clock.fetch_add(random.u64(..MILLI / 2), Ordering::SeqCst);
                        let cost = random.u32(1..3);
                        if matches!(limiter.check(0, cost, now), Decision::Allowed { .. }) {
                            own.push((now, cost.into()));
                        }
                    }
                    own
                }
            };
            let calls: Vec<_> = (0..3).map(|thread| threads.spawn(call(thread))).collect();
            calls.into_iter().flat_map(|call| call.join().unwrap()).collect::<Admitted>()
        });
        admitted.sort_unstable();
        bounded(&admitted, 5, rate);
        let units: u64 = admitted.iter().map(|(_, cost)| cost).sum();
        let flowed = (clock.into_inner() - SECOND) / MILLI;
        assert!(units >= flowed * 9 / 10, "{units} of {flowed}");
    }
}

/// What costs more than the burst is never admitted and never charged.
#[test]
fn i_39_what_can_never_be_admitted_changes_nothing() {
    for_each_seed(100, |random| {
        let spec = random_spec(random);
        let gcra = Gcra::new(spec.rate, spec.burst());
        let (tat, now) = (random.u64(..SECOND), random.u64(..SECOND));
        let cost = spec.burst() + random.u32(1..1000);
        assert_eq!(gcra.decide(tat, now, cost), Arrival::Exceeds { retry_after: None });
        assert_eq!(gcra.decide(tat, now, u32::MAX), Arrival::Exceeds { retry_after: None });
        let limiter = Limiter::new("never", spec);
        assert!(matches!(
            limiter.check(0, cost, SECOND),
            Decision::Refused { retry_after: Duration::MAX, .. }
        ));
        assert!(matches!(limiter.check(0, spec.burst(), SECOND), Decision::Allowed { remaining: 0, .. }));
    });
}

//! The rate limit's arrival time, and the turns that are given up.

use std::time::Duration;

use hardening_spec::{Rate, RateLimitSpec};
use loom::sync::Arc;

use crate::clock::NEVER;
use crate::policy::rate_limit::{Asked, Charge, Entered, Keyed, Limiter, Look, Reservation, enter};
use crate::{Action, explore, together};

const SECOND: u64 = 1_000_000_000;

fn limiter(burst: u32, wait: Duration) -> Arc<Limiter> {
    let spec = RateLimitSpec { burst: Some(burst), wait, ..RateLimitSpec::new(Rate::per_secs(1, 1)) };
    Arc::new(Limiter::new("model", spec))
}

/// A burst of two, and three who ask for one.
pub fn i_41_a_burst_is_given_out_exactly() {
    explore(2, || {
        let limiter = limiter(2, Duration::ZERO);
        let ask = || -> Action<bool> {
            let limiter = Arc::clone(&limiter);
            Box::new(move || limiter.admits_one(SECOND))
        };
        let admitted = together([ask(), ask(), ask()]);
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 2);
        assert_eq!(limiter.counts().0, 2);
    });
}

/// Two are charged and give back, in the middle of a third's asking: the whole burst is there again.
pub fn i_41_what_is_given_back_is_there_again() {
    explore(2, || {
        let limiter = limiter(2, Duration::ZERO);
        let give_back = || -> Action<()> {
            let limiter = Arc::clone(&limiter);
            Box::new(move || {
                if limiter.admits(Charge::ONE, SECOND) {
                    limiter.refund(Charge::ONE, SECOND);
                }
            })
        };
        together([give_back(), give_back(), give_back()]);
        assert!(limiter.admits_one(SECOND) && limiter.admits_one(SECOND));
        assert!(!limiter.admits_one(SECOND));
    });
}

/// A limiter of sites lives for ever.
fn lasting(burst: u32) -> &'static Limiter {
    let spec = RateLimitSpec {
        burst: Some(burst),
        wait: Duration::from_mins(1),
        ..RateLimitSpec::new(Rate::per_secs(1, 1))
    };
    Box::leak(Box::new(Limiter::new("model", spec)))
}

fn ask(limiters: &[&'static Limiter]) -> Entered {
    let charge = Charge::ONE;
    let asked: Vec<_> = limiters.iter().map(|limiter| Asked { limiter, charge, position: 0 }).collect();
    enter(&asked, SECOND, NEVER)
}

fn reserve(limiters: &[&'static Limiter]) -> Reservation {
    match ask(limiters) {
        Entered::Later(turn) => turn,
        Entered::Now | Entered::Refused(..) => panic!("there is no room now, and time to wait"),
    }
}

/// Two wait for turns and one of them gives up: no turn is given to two, and in the end the bound holds.
pub fn i_41_turns_are_given_up_and_taken_once() {
    explore(2, || {
        let limiter = lasting(1);
        assert!(limiter.admits_one(SECOND));
        let wait = |gives_up: bool| -> Action<Option<Reservation>> {
            Box::new(move || {
                let turn = reserve(&[limiter]);
                if gives_up {
                    turn.give_up(SECOND);
                    return None;
                }
                Some(turn)
            })
        };
        let mut kept: Vec<_> =
            together([wait(true), wait(false), wait(false)]).into_iter().flatten().collect();
        // Two more, after everybody: they get the turns that are left.
        kept.extend([reserve(&[limiter]), reserve(&[limiter])]);
        let mut turns: Vec<u64> = kept.iter().map(|turn| turn.turn() / SECOND).collect();
        turns.sort_unstable();
        assert_eq!(turns, [2, 3, 4, 5]);
        for turn in kept {
            turn.give_up(SECOND);
        }
        assert!(limiter.admits_one(2 * SECOND), "the fast path is open again");
    });
}

/// While one waits and leaves, others are admitted by the short way: together never more than the burst.
pub fn i_41_the_short_way_and_the_calendar_keep_one_bound() {
    explore(3, || {
        let limiter = lasting(2);
        let short = || -> Action<u32> { Box::new(move || u32::from(limiter.admits_one(SECOND))) };
        let long: Action<u32> = Box::new(move || match ask(&[limiter]) {
            Entered::Now => 1,
            Entered::Later(turn) => {
                turn.give_up(SECOND);
                0
            }
            Entered::Refused(..) => panic!("it may wait"),
        });
        let admitted: u32 = together([short(), long, short()]).into_iter().sum();
        let more = u32::from(limiter.admits_one(SECOND)) + u32::from(limiter.admits_one(SECOND));
        assert_eq!(admitted + more, 2);
    });
}

/// Two limits, charged in either order, with callers that leave: no lock is waited for in a circle, and both have one turn.
pub fn i_41_two_limits_are_charged_for_one_turn() {
    explore(2, || {
        let (one, other) = (lasting(1), lasting(1));
        assert!(one.admits_one(SECOND));
        let wait =
            |limits: [&'static Limiter; 2]| -> Action<Reservation> { Box::new(move || reserve(&limits)) };
        let turns = together([wait([one, other]), wait([other, one])]);
        let mut at = [&turns[0], &turns[1]].map(|turn| turn.turn() / SECOND);
        at.sort_unstable();
        assert_eq!(at, [2, 3]);
        let [first, second] = turns;
        first.give_up(SECOND);
        second.give_up(SECOND);
        assert!(other.admits_one(SECOND) && !one.admits_one(SECOND));
    });
}

/// The numbers change while a caller waits and another is admitted: whoever waits keeps a turn, under one of the numbers.
pub fn i_41_numbers_change_under_those_who_wait() {
    explore(2, || {
        let limiter = lasting(1);
        assert!(limiter.admits_one(SECOND));
        let turn = reserve(&[limiter]);
        let faster = RateLimitSpec { burst: Some(1), ..RateLimitSpec::new(Rate::per_secs(10, 1)) };
        let tune: Action<Option<Reservation>> = Box::new(move || {
            limiter.tune_at(Some(&faster), SECOND);
            None
        });
        let come: Action<Option<Reservation>> = Box::new(move || match ask(&[limiter]) {
            Entered::Later(turn) => Some(turn),
            Entered::Now => panic!("past the one that waits"),
            Entered::Refused(..) => None,
        });
        let [_, second] = together([tune, come]);
        assert_eq!(turn.turn(), SECOND + SECOND / 10);
        assert!(second.as_ref().is_none_or(|second| second.turn() == SECOND + SECOND / 5));
        assert!(matches!(turn.look(SECOND + SECOND / 10), Look::Passed));
        drop(second);
    });
}

/// Two threads bring the same new key and a third another one: room for two is enough.
pub fn i_41_one_key_takes_one_place() {
    explore(2, || {
        let keys = Arc::new(Keyed::new(2));
        let bring = |key: u64| -> Action<bool> {
            let keys = Arc::clone(&keys);
            Box::new(move || keys.update_within(key, 2, 1, |tat| *tat = 5).is_some())
        };
        let brought = together([bring(1), bring(1)]);
        assert_eq!(brought, [true, true]);
        assert_eq!(keys.len(), 1);
        assert!(keys.update_within(2, 2, 1, |tat| *tat = 5).is_some(), "a place was lost");
    });
}

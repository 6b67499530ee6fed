//! A turn that is taken late, lost, moved up or given up.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::clock;

const MILLI: Nanos = 1_000_000;

fn waits_until(turn: &Reservation, now: Nanos) -> Nanos {
    match turn.look(now) {
        Look::Waits(at) => at,
        Look::Passed => panic!("passed"),
        Look::Refused(position, _) => panic!("{position} refused"),
    }
}

fn heard(turn: &Reservation) -> u32 {
    turn.0.heard.load(Ordering::Relaxed)
}

#[test]
fn a_caller_that_is_a_little_late_keeps_its_turn() {
    for late in [1, 50 * MILLI, SECOND / 8 - 1] {
        let one = [(taken(), Charge::ONE)];
        let (first, second) = (reserve(&one, NOW), reserve(&one, NOW));
        assert!(matches!(first.look(NOW + SECOND + late), Look::Passed), "{late}");
        assert_eq!(seconds(&second), 2);
        assert!(matches!(second.look(NOW + 2 * SECOND), Look::Passed));
    }
}

#[test]
fn who_is_later_passes_where_there_is_room_or_gets_another_turn() {
    let limiter = taken();
    let alone = reserve(&[(limiter, Charge::ONE)], NOW);
    assert!(matches!(alone.look(NOW + 5 * SECOND), Look::Passed));
    assert_eq!(seconds(&reserve(&[(limiter, Charge::ONE)], NOW + 5 * SECOND)), 6, "charged when it passed");

    let one = [(taken(), Charge::ONE)];
    let (first, second) = (reserve(&one, NOW), reserve(&one, NOW));
    assert_eq!(waits_until(&first, NOW + 2 * SECOND), NOW + 3 * SECOND, "the second one's turn has come");
    assert!(matches!(second.look(NOW + 2 * SECOND), Look::Passed));
    assert!(matches!(first.look(NOW + 3 * SECOND), Look::Passed));
}

#[test]
fn who_is_later_than_its_patience_is_refused_for_good() {
    for (patience, refused) in [(3 * SECOND, false), (3 * SECOND - 1, true)] {
        let one = [(taken(), Charge::ONE)];
        let Entered::Later(first) = ask(&one, NOW, NOW + patience) else { panic!("not waiting") };
        let _second = reserve(&one, NOW);
        if refused {
            for _ in 0..2 {
                let Look::Refused(0, refused) = first.look(NOW + 2 * SECOND) else { panic!("not refused") };
                assert_eq!(refused.retry_after, SECOND);
            }
        } else {
            assert_eq!(waits_until(&first, NOW + 2 * SECOND), NOW + 3 * SECOND);
        }
    }
}

#[test]
fn a_caller_looks_at_the_gaps_of_the_few_before_it_and_hears_each_once() {
    let limiter = taken();
    let mut turns: Vec<_> = (0..8).map(|_| reserve(&[(limiter, Charge::ONE)], NOW)).collect();
    let fifth = turns.remove(4);
    fifth.give_up(NOW);
    turns.remove(0).give_up(NOW);
    // Of those at 2, 3, 4, 6, 7 and 8.
    let sixth = &turns[3];
    assert_eq!(turns.iter().map(heard).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1]);
    assert_eq!(waits_until(sixth, NOW), NOW + 5 * SECOND - 8 * MILLI, "the one at 1 is for those before it");
    assert_eq!(heard(sixth), 1, "it looks again when it is due");
    let seventh = waits_until(&turns[4], NOW);
    assert_eq!(seventh, NOW + 5 * SECOND - 7 * MILLI, "should the sixth not be polled");
    // Where there is no gap before it any more, it has nothing to look for.
    let newcomer = reserve(&[(limiter, Charge::ONE)], NOW);
    assert_eq!(seconds(&newcomer), 1);
    turns[0].0.heard.store(1, Ordering::Relaxed);
    waits_until(&turns[0], NOW);
    assert_eq!((seconds(&turns[0]), heard(&turns[0])), (2, 0));
    assert!(matches!(newcomer.look(NOW + SECOND), Look::Passed));
    for turn in &turns[..3] {
        assert!(matches!(turn.look(turn.turn()), Look::Passed));
    }
    // It moves up, and those behind hear of the gap that it leaves.
    turns[4].0.heard.store(0, Ordering::Relaxed);
    let soon = NOW + 5 * SECOND - 8 * MILLI;
    assert_eq!(waits_until(sixth, soon), NOW + 5 * SECOND);
    assert_eq!((heard(sixth), heard(&turns[4])), (0, 1));
}

/// The caller behind one that has lost its turn takes what that one left, and so do those behind it.
#[test]
fn a_turn_that_is_lost_is_for_those_behind() {
    let one = [(taken(), Charge::ONE)];
    let [unpolled, second, third] = [(); 3].map(|()| reserve(&one, NOW));
    let lost = NOW + SECOND + SECOND / 8;
    assert_eq!(waits_until(&second, NOW), lost, "it looks whether the first one has lost its turn");
    assert!(matches!(second.look(lost), Look::Passed));
    assert_eq!((heard(&second), heard(&third)), (0, 1));
    let soon = lost + SECOND - 8 * MILLI;
    assert_eq!(waits_until(&third, soon), lost + SECOND);
    assert_eq!(waits_until(&unpolled, soon), lost + 2 * SECOND, "behind those who are in time");
    assert!(matches!(third.look(lost + SECOND), Look::Passed));
    assert!(matches!(unpolled.look(lost + 2 * SECOND), Look::Passed));
}

#[test]
fn how_late_a_caller_may_be_is_an_eighth_of_its_fastest_limits_interval_within_bounds() {
    let late = |of: &[u64]| {
        let limits: Vec<_> = of.iter().map(|every| (slow(*every, NEVER), Charge::ONE)).collect();
        reserve(&limits, NOW).0.late
    };
    assert_eq!([late(&[1]), late(&[2, 1]), late(&[3600])], [SECOND / 8, SECOND / 8, SECOND]);
    assert_eq!(late(&[4, 3]), 3 * SECOND / 8);
    let fast =
        lasting(Limiter::new("fast", RateLimitSpec { rate: Rate::per_secs(100, 1), ..each_second(1) }));
    assert!(fast.admits_one(NOW));
    assert_eq!(reserve(&[(fast, Charge::ONE)], NOW).0.late, 50 * MILLI);
}

#[test]
fn a_caller_whose_predecessor_passes_in_time_keeps_its_turn() {
    let one = [(taken(), Charge::ONE)];
    let [first, second] = [(); 2].map(|()| reserve(&one, NOW));
    assert!(matches!(first.look(NOW + SECOND), Look::Passed));
    assert_eq!(waits_until(&second, NOW + SECOND + SECOND / 8), NOW + 2 * SECOND);
    assert_eq!(waits_until(&second, NOW + SECOND + SECOND / 4), NOW + 2 * SECOND, "it looks once");
}

/// What passes behind a caller that may still begin is charged where it passed, not where that one is forgotten.
#[test]
fn a_late_caller_makes_no_debt_of_what_has_passed_behind_it() {
    let spec = RateLimitSpec { rate: Rate::per_secs(100, 1), wait: Duration::from_secs(9), ..each_second(2) };
    for begins in [true, false] {
        let limiter = lasting(Limiter::new("late", spec));
        assert!(limiter.admits(Charge::plain(2), NOW));
        let one = [(limiter, Charge::ONE)];
        let turns: Vec<_> = (0..4).map(|_| reserve(&one, NOW)).collect();
        let now = NOW + 40 * MILLI;
        for turn in &turns[1..] {
            assert!(matches!(turn.look(turn.turn()), Look::Passed));
        }
        assert!(
            begins || matches!(limiter.check(0, 1, now + 10 * MILLI), Decision::Allowed { remaining: 0, .. })
        );
        if begins {
            assert!(matches!(turns[0].look(now), Look::Passed));
            assert_eq!((limiter.remaining(0, now), limiter.remaining(0, now + 10 * MILLI)), (0, 1));
        }
        let lost = NOW + 60 * MILLI;
        assert_eq!(limiter.remaining(0, lost - 1), u32::from(begins));
        assert_eq!(limiter.remaining(0, lost), 2, "what the first one has lost is there again");
    }
}

#[test]
fn a_caller_that_waits_is_woken_by_a_gap_before_it() {
    let one = [(taken(), Charge::ONE)];
    let (first, second) = (reserve(&one, NOW), reserve(&one, NOW));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(second.changed()).poll(&mut cx).is_pending());
    first.give_up(NOW);
    assert!(pin!(second.changed()).poll(&mut cx).is_ready());
    assert!(format!("{second:?}").starts_with("Waiter { order: "), "{second:?}");
}

#[test]
fn a_turn_that_is_dropped_is_given_up() {
    let now = clock::now();
    let limiter = lasting(Limiter::new("dropped", each_second(1)));
    assert!(limiter.admits_one(now));
    let turn = || reserve(&[(limiter, Charge::ONE)], now);
    drop(turn());
    assert_eq!(turn().turn(), now + SECOND);
}

#[test]
fn the_longest_of_several_waits_is_told_and_of_equal_ones_the_first() {
    let impatient = |seconds| {
        let rate = Rate::per_secs(1, seconds);
        let spec = RateLimitSpec { wait: Duration::ZERO, rate, ..each_second(1) };
        let limiter = lasting(Limiter::new("impatient", spec));
        assert!(limiter.admits_one(NOW));
        (limiter, Charge::ONE)
    };
    let (short, long, other) = (impatient(1), impatient(10), impatient(1));
    assert_eq!(refused(&[short, long], NOW, NEVER), (1, 10 * SECOND, 0));
    assert_eq!(refused(&[long, short], NOW, NEVER), (0, 10 * SECOND, 0));
    assert_eq!(refused(&[short, other], NOW, NEVER), (0, SECOND, 0));
}

#[test]
fn what_need_not_wait_passes_whatever_its_patience() {
    let free = lasting(Limiter::new("free", each_second(1)));
    assert!(matches!(ask(&[(free, Charge::ONE)], NOW, NOW - 1), Entered::Now));
}

/// One that admits a unit every so many seconds, has admitted one, and makes a caller wait for at most `patience`.
fn slow(every: u64, patience: Nanos) -> &'static Limiter {
    let rate = Rate::per_secs(1, every);
    let spec = RateLimitSpec { rate, wait: Duration::from_nanos(patience), ..each_second(1) };
    let limiter = lasting(Limiter::new("slow", spec));
    assert!(limiter.admits_one(NOW));
    limiter
}

#[test]
fn the_last_limit_that_makes_a_call_wait_longer_is_told() {
    let (long, short) = (slow(5, 9 * SECOND), slow(1, 9 * SECOND));
    let in_a_second = NOW + SECOND;
    assert_eq!(refused(&[(long, Charge::ONE), (short, Charge::ONE)], NOW, in_a_second), (0, 5 * SECOND, 0));
    assert_eq!(refused(&[(short, Charge::ONE), (long, Charge::ONE)], NOW, in_a_second), (1, 5 * SECOND, 0));
}

#[test]
fn each_limit_makes_a_call_wait_no_longer_than_its_own_patience() {
    let patient = slow(1, 60 * SECOND);
    for (impatient, refuses) in [(2 * SECOND, false), (2 * SECOND - 1, true)] {
        let impatient = slow(3, impatient);
        let both = [(patient, Charge::ONE), (impatient, Charge::ONE)];
        if refuses {
            assert_eq!(refused(&both, NOW, NEVER), (1, 3 * SECOND, 0));
        } else {
            assert_eq!(seconds(&reserve(&both, NOW)), 3, "one second of it is for the sake of the other");
        }
    }
}

/// A caller that another limit holds up cannot use a gap: those behind it may.
#[test]
fn a_caller_held_up_by_another_limit_passes_the_word_on() {
    let word = |told: u32, next_has_heard: u32| {
        let all = lasting(Limiter::new("all", RateLimitSpec { wait: Duration::MAX, ..each_second(1) }));
        assert!(all.admits_one(NOW));
        let one = [(all, Charge::ONE)];
        let both = [(all, Charge::ONE), (slow(3, Nanos::MAX), Charge::ONE)];
        let (first, held_up) = (reserve(&one, NOW), reserve(&both, NOW));
        let (second, fourth) = (reserve(&one, NOW), reserve(&one, NOW));
        assert_eq!([&first, &second, &held_up, &fourth].map(seconds), [1, 2, 3, 4]);
        first.give_up(NOW);
        assert_eq!([&second, &held_up, &fourth].map(heard), [1, 1, 1]);
        fourth.0.heard.store(next_has_heard, Ordering::Relaxed);
        held_up.0.heard.store(told, Ordering::Relaxed);
        assert_eq!(waits_until(&held_up, NOW), NOW + 3 * SECOND);
        assert_eq!((heard(&held_up), heard(&second)), (0, 1));
        heard(&fourth)
    };
    assert_eq!(word(1, 0), 257);
    assert_eq!(word(257, 0), 513);
    assert_eq!(word(1, 5), 5, "it knows of a gap");
    assert_eq!((word(63 << 8 | 1, 0), word(64 << 8 | 1, 0)), (64 << 8 | 1, 0), "not for ever");
}

#[test]
fn a_caller_of_one_limit_that_finds_no_gap_tells_nobody() {
    let one = [(taken(), Charge::ONE)];
    let (first, second) = (reserve(&one, NOW), reserve(&one, NOW));
    first.0.heard.store(1, Ordering::Relaxed);
    assert_eq!(waits_until(&first, NOW), NOW + SECOND);
    assert_eq!((heard(&first), heard(&second)), (0, 0));
}

/// Where another limit makes a caller wait, this one may have room before its turn.
#[test]
fn what_need_not_wait_is_decided_beside_those_who_do() {
    let key = lasting(keyed(1, 10));
    let waiting = reserve(&[(taken(), Charge::ONE), (key, Charge { key: 7, cost: 1 })], NOW);
    assert_eq!(seconds(&waiting), 1);
    let refused = |now| match key.check(7, 1, now) {
        Decision::Refused { retry_after, .. } => Some(retry_after),
        Decision::Allowed { .. } => None,
    };
    assert_eq!(refused(NOW), None);
    assert_eq!(refused(NOW + SECOND / 2), Some(Duration::from_millis(1500)), "its turn is kept");
    assert!(matches!(waiting.look(NOW + SECOND), Look::Passed));
}

#[test]
fn what_was_charged_before_the_numbers_changed_stays_charged_by_the_old_ones() {
    let spec = RateLimitSpec { rate: Rate::per_secs(10, 1), wait: Duration::from_secs(9), ..each_second(2) };
    let limiter = lasting(Limiter::new("tuned", spec));
    assert!(limiter.admits(Charge::plain(2), NOW));
    let of = |cost| reserve(&[(limiter, Charge::plain(cost))], NOW);
    let (late, punctual) = (of(2), of(1));
    assert_eq!([&late, &punctual].map(|turn| (turn.turn() - NOW) / MILLI), [200, 300]);
    assert!(matches!(punctual.look(NOW + 300 * MILLI), Look::Passed), "behind one that may still begin");
    let now = NOW + 410 * MILLI;
    limiter.tune_at(Some(&each_second(2)), now);
    assert_eq!(limiter.remaining(0, now), 2, "a tenth of a second is over, a second would not be");
}

#[test]
fn a_debt_is_an_old_one_where_clocks_cannot_explain_it() {
    for (beyond, kept) in [(SECOND, true), (SECOND + 1, false)] {
        let limiter = Limiter::new("debt", each_second(3));
        limiter.shared.store(NOW + 3 * SECOND + beyond, Ordering::Release);
        let Decision::Refused { retry_after, .. } = limiter.check(0, 1, NOW) else { panic!("admitted") };
        assert_eq!(retry_after.as_secs(), if kept { 2 } else { 1 });
    }
}

#[test]
fn a_debt_of_a_moment_is_one_burst_of_other_numbers_too() {
    for limiter in [Limiter::new("plain", each_second(1)), keyed(1, 10)] {
        assert!(limiter.admits(Charge { key: 7, cost: 1 }, NOW));
        let spec =
            RateLimitSpec { rate: Rate::per_secs(100, 1), ..each_second(1).with_key(limiter.is_keyed()) };
        limiter.tune_at(Some(&spec), NOW);
        let Decision::Refused { retry_after, .. } = limiter.check(7, 1, NOW) else { panic!("admitted") };
        assert_eq!(retry_after, Duration::from_millis(10));
    }
}

/// Somebody waits for another limit, and this one has admitted nothing yet.
#[test]
fn other_numbers_charge_nobody_who_waits() {
    for limiter in [Limiter::new("plain", each_second(2)), keyed(2, 10)] {
        let limiter = lasting(limiter);
        let charge = Charge { key: 7, cost: 1 };
        let waiting = reserve(&[(taken(), Charge::ONE), (limiter, charge)], NOW);
        limiter.tune_at(Some(&each_second(3).with_key(limiter.is_keyed())), NOW);
        assert_eq!((seconds(&waiting), limiter.remaining(7, NOW)), (1, 3));
        assert!(matches!(limiter.check(7, 3, NOW), Decision::Allowed { .. }));
        assert!(matches!(waiting.look(NOW + SECOND), Look::Passed));
        assert_eq!(limiter.remaining(7, NOW + SECOND), 0);
    }
}

/// Its turn in one limit is also its turn in the one that was off when it came, or while it waited.
#[test]
fn a_limit_that_is_switched_on_again_charges_those_who_wait() {
    for keyed in [true, false] {
        for comes_while_off in [true, false] {
            let spec = each_second(1).with_key(keyed);
            let half =
                RateLimitSpec { wait: Duration::from_mins(1), rate: Rate::per_secs(2, 1), ..each_second(1) };
            let (all, limiter) = (lasting(Limiter::new("all", half)), lasting(Limiter::new("off", spec)));
            let both = [(all, Charge::ONE), (limiter, Charge { key: 7, cost: 1 })];
            assert!(matches!(ask(&both, NOW, NEVER), Entered::Now));
            let off = || limiter.tune_at(None, NOW);
            if comes_while_off {
                off();
            }
            let turns: Vec<_> = (0..4).map(|_| reserve(&both, NOW)).collect();
            off();
            assert_eq!(
                turns.iter().map(|turn| (turn.turn() - NOW) / MILLI).collect::<Vec<_>>(),
                [500, 1000, 1500, 2000]
            );
            assert!(matches!(limiter.check(7, 9, NOW), Decision::Allowed { reset: Duration::ZERO, .. }));
            limiter.refund(Charge { key: 7, cost: 1 }, NOW);
            let half = NOW + SECOND / 2;
            assert!(matches!(turns[0].look(half), Look::Passed), "not charged to the one that is off");
            limiter.tune_at(Some(&spec), half);
            let at: Vec<_> = turns[1..].iter().map(|turn| (turn.turn() - NOW) / MILLI).collect();
            assert_eq!(at, [1000, 2000, 3000], "keyed {keyed}");
            let newcomer = reserve(&[(limiter, Charge { key: 7, cost: 1 })], half);
            assert_eq!(seconds(&newcomer), 4);
            for turn in turns.into_iter().skip(1).chain([newcomer]) {
                turn.give_up(half);
            }
            assert!(limiter.book().is_empty() && all.book().is_empty());
        }
    }
}

/// What has passed behind a caller that may still begin is charged by the numbers that it passed under.
#[test]
fn other_numbers_make_no_debt_of_what_has_passed_behind_a_late_caller() {
    let spec =
        RateLimitSpec { rate: Rate::per_secs(100, 1), wait: Duration::from_hours(9), ..each_second(2) };
    let limiter = lasting(Limiter::new("late", spec));
    assert!(limiter.admits(Charge::plain(2), NOW));
    let turns: Vec<_> = (0..4).map(|_| reserve(&[(limiter, Charge::ONE)], NOW)).collect();
    for turn in &turns[1..] {
        assert!(matches!(turn.look(turn.turn()), Look::Passed));
    }
    let now = NOW + 45 * MILLI;
    limiter.tune_at(Some(&RateLimitSpec { rate: Rate::per_secs(1, 3600), ..spec }), now);
    assert!(matches!(turns[0].look(now), Look::Passed));
    assert_eq!(limiter.remaining(0, now + 20 * MILLI), 1);
}

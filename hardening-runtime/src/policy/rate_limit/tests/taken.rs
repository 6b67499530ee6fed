//! Which turns a newcomer takes from older callers in an overloaded lane, and which not.

use super::super::reservation::ASIDE;
use super::order::{Crowd, MILLI, hasty, is_woken};
use super::*;

/// A limit of so many units each second, used up, whose callers are hasty.
fn of(rate: u32, burst: u32) -> &'static Limiter {
    let spec =
        RateLimitSpec { wait: Duration::from_mins(1), rate: Rate::per_secs(rate, 1), ..each_second(burst) };
    let limiter = hasty(lasting(Limiter::new("taken", spec)));
    assert!(limiter.admits(Charge::plain(burst), NOW));
    limiter
}

/// Overloaded: one comes each `every` milliseconds, for so many.
fn overloaded(limiter: &'static Limiter, millis: u64, every: u64) -> Crowd {
    let mut crowd = Crowd::new(&[(limiter, Charge::ONE)]);
    for milli in (1..millis).step_by(50) {
        crowd.run(milli..(milli + 50).min(millis), every);
        hasty(limiter);
    }
    crowd
}

fn aside(crowd: &Crowd) -> Vec<&Reservation> {
    crowd.waiting.iter().map(|(_, turn)| turn).filter(|turn| turn.turn() == ASIDE).collect()
}

/// The other limit has one turn in two seconds. It comes second among the limits of its call, and has no key either.
#[test]
fn the_turn_of_a_caller_that_another_limit_holds_up_is_not_taken_when_it_is_the_next() {
    let all = of(10, 1);
    let spec = RateLimitSpec { wait: Duration::from_mins(1), rate: Rate::per_secs(1, 2), ..each_second(1) };
    let slow = lasting(Limiter::new("slow", spec));
    assert!(slow.admits_one(NOW));
    let held_up = reserve(&[(all, Charge::ONE), (slow, Charge::ONE)], NOW);
    let turn = held_up.turn();
    assert_eq!(turn, NOW + 2 * SECOND);
    let mut crowd = Crowd::new(&[(all, Charge::ONE)]);
    crowd.run(1..1999, 40);
    assert!(aside(&crowd).len() > 9);
    // From here on its turn is the next one.
    crowd.limits.push((slow, Charge { key: 0, cost: 1 }));
    for milli in 1910..1990 {
        let newcomer = reserve(&crowd.limits, NOW + milli * MILLI);
        assert_eq!(held_up.turn(), turn, "{milli}");
        newcomer.give_up(NOW + milli * MILLI);
        let newcomer = reserve(&[(all, Charge::ONE)], NOW + milli * MILLI);
        assert_eq!(held_up.turn(), turn, "{milli}");
        newcomer.give_up(NOW + milli * MILLI);
    }
    assert!(matches!(held_up.look(turn), Look::Passed));
}

#[test]
fn turns_that_come_within_the_time_of_a_timer_are_not_taken() {
    let limiter = of(500, 1);
    let mut crowd = overloaded(limiter, 500, 1);
    let now = NOW + 500 * MILLI;
    crowd.waiting.retain(|(_, turn)| turn.turn() == ASIDE);
    let turns =
        [(); 4].map(|()| ask(&crowd.limits, now, NEVER)).into_iter().filter_map(|entered| match entered {
            Entered::Later(turn) => Some(turn),
            Entered::Now | Entered::Refused(..) => None,
        });
    let turns: Vec<_> = turns.collect();
    let at: Vec<_> = turns.iter().map(Reservation::turn).collect();
    assert!(at.len() > 2 && at.is_sorted() && at[2] <= now + 8 * MILLI, "{at:?} {now}");
}

#[test]
fn the_newest_is_told_where_more_was_taken_than_was_needed() {
    let limiter = of(100, 5);
    let crowd = overloaded(limiter, 500, 8);
    let now = NOW + 500 * MILLI;
    let woken = |crowd: &Crowd| aside(crowd).into_iter().filter(|turn| is_woken(turn)).count();
    woken(&crowd);
    // One turn is taken for one: there is none for anybody else.
    let one = reserve(&crowd.limits, now);
    assert!(one.turn() < now + 20 * MILLI && woken(&crowd) == 0);
    let two = reserve(&[(limiter, Charge::plain(2))], now);
    assert_eq!((two.turn() != ASIDE, woken(&crowd)), (true, 0));
}

#[test]
fn one_that_takes_a_turn_of_soon_tells_the_next() {
    for (rate, tells) in [(500, true), (20, false)] {
        let limiter = of(rate, 1);
        let mut crowd = overloaded(limiter, 1456, 500 / u64::from(rate));
        let now = NOW + 1456 * MILLI;
        crowd.waiting.retain(|(_, turn)| turn.turn() == ASIDE);
        let aside = aside(&crowd);
        let (newest, others) = aside.split_last().expect("some");
        for turn in &aside {
            is_woken(turn);
        }
        let at = match newest.look(now) {
            Look::Waits(at) => at,
            Look::Passed | Look::Refused(..) => now,
        };
        assert_eq!(at <= now + 8 * MILLI, tells, "{rate} {}", at - now);
        assert_eq!(others.iter().any(|turn| is_woken(turn)), tells, "{rate}");
    }
}

#[test]
fn one_without_a_turn_looks_again_when_it_has_waited_for_twice_as_long() {
    let crowd = overloaded(of(100, 1), 493, 4);
    let now = NOW + 493 * MILLI;
    for turn in aside(&crowd).into_iter().take(20) {
        let waited = now - turn.0.came;
        let again = now + waited.max(50 * MILLI);
        assert!(matches!(turn.look(now), Look::Waits(at) if at == again), "{waited}");
    }
}

/// Those who stand under a further limit keep the next turns.
#[test]
fn a_newcomer_that_can_take_no_turn_waits_behind_the_next_one() {
    let beside = lasting(Limiter::new("beside", RateLimitSpec::new(Rate::per_secs(1000, 1))));
    for (more, waits) in [(0, false), (1, true)] {
        let all = of(100, 1);
        let mut crowd = Crowd::new(&[(all, Charge::ONE), (beside, Charge::ONE)]);
        crowd.run(1..500, 8);
        let now = NOW + 500 * MILLI;
        let turns = crowd.waiting.iter().map(|(_, turn)| turn.turn()).filter(|turn| *turn != ASIDE);
        let next = turns.min().expect("one has the next turn");
        let entered = ask(&[(all, Charge::ONE)], now, next + 10 * MILLI - 1 + more);
        assert_eq!(matches!(entered, Entered::Later(_)), waits, "{more}");
    }
}

/// Those without a turn for the sake of one limit are no backlog for a newcomer that another one makes wait.
#[test]
fn only_a_limit_that_makes_a_call_wait_refuses_it_for_its_line() {
    let beside = lasting(Limiter::new("beside", RateLimitSpec::new(Rate::per_secs(1000, 1))));
    let mut crowd = Crowd::new(&[(of(100, 1), Charge::ONE), (beside, Charge::ONE)]);
    crowd.run(1..500, 8);
    assert!(aside(&crowd).len() > 5 && crowd.refused.is_empty());
    assert!(beside.book().waiting().count() > 5);
}

#[test]
fn a_caller_may_have_the_turn_with_which_its_patience_ends() {
    let limits = [(taken(), Charge::ONE)];
    assert!(matches!(ask(&limits, NOW, NOW + SECOND - 1), Entered::Refused(..)));
    let turns: Vec<_> = (1..=10).map(|at| (at, ask(&limits, NOW, NOW + at * SECOND))).collect();
    assert!(turns.iter().all(|(_, entered)| matches!(entered, Entered::Later(_))));
    assert!(matches!(ask(&limits, NOW, NEVER), Entered::Refused(..)), "all wait for ten seconds");
}

/// It came too late for its turn, and nobody else is there.
#[test]
fn one_that_has_lost_its_turn_passes_where_there_is_room_even_after_its_wait() {
    let limits = [(taken(), Charge::ONE)];
    let Entered::Later(turn) = ask(&limits, NOW, NOW + SECOND) else { panic!("it waits") };
    assert!(matches!(turn.look(NOW + 3 * SECOND), Look::Passed));
    assert!(
        matches!(ask(&limits, NOW + 3 * SECOND, NOW + 3 * SECOND), Entered::Refused(..)),
        "it is charged"
    );
}

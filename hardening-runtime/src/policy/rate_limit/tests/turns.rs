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
fn who_is_late_by_less_than_its_limit_gives_it_time_for_keeps_its_turn() {
    for late in [1, 40 * MILLI, SECOND - 1] {
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
    // It moves up, and those behind hear of the gap that it leaves.
    turns[4].0.heard.store(0, Ordering::Relaxed);
    let soon = NOW + 5 * SECOND - 8 * MILLI;
    assert_eq!(waits_until(sixth, soon), NOW + 5 * SECOND);
    assert_eq!((heard(sixth), heard(&turns[4])), (0, 1));
    // Where there is no gap before it any more, it has nothing to look for.
    turns[0].0.heard.store(1, Ordering::Relaxed);
    let _newcomer = reserve(&[(limiter, Charge::ONE)], NOW);
    assert_eq!((waits_until(&turns[0], NOW), heard(&turns[0])), (NOW + 2 * SECOND, 0));
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

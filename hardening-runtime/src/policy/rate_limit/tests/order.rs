//! The order of those who wait: first come, first served, and newest first under overload.

use super::super::reservation::ASIDE;
use super::*;

const MILLI: Nanos = 1_000_000;

/// A limit of a unit each ten milliseconds, used up, for which callers wait for up to a second.
fn of_ten_millis() -> &'static Limiter {
    let spec = RateLimitSpec { wait: Duration::from_secs(1), rate: Rate::per_secs(100, 1), ..each_second(1) };
    let limiter = lasting(Limiter::new("order", spec));
    assert!(limiter.admits_one(NOW));
    limiter
}

/// Callers that come each so often, the first of them now, and pass when their turns come.
struct Crowd {
    limits: Vec<(&'static Limiter, Charge)>,
    waiting: Vec<(usize, Reservation)>,
    passed: Vec<usize>,
    refused: Vec<usize>,
    came: usize,
}

impl Crowd {
    fn new(limits: &[(&'static Limiter, Charge)]) -> Self {
        Self {
            limits: limits.to_vec(),
            waiting: Vec::new(),
            passed: Vec::new(),
            refused: Vec::new(),
            came: 0,
        }
    }

    fn come(&mut self, now: Nanos) {
        match ask(&self.limits, now, NEVER) {
            Entered::Now => self.passed.push(self.came),
            Entered::Later(turn) => self.waiting.push((self.came, turn)),
            Entered::Refused(..) => self.refused.push(self.came),
        }
        self.came += 1;
    }

    fn look(&mut self, now: Nanos) {
        let (passed, refused) = (&mut self.passed, &mut self.refused);
        self.waiting.retain(|(number, turn)| match turn.look(now) {
            Look::Waits(_) => true,
            Look::Passed => {
                passed.push(*number);
                false
            }
            Look::Refused(..) => {
                refused.push(*number);
                false
            }
        });
    }

    /// One comes each `every` milliseconds from one moment to another.
    fn run(&mut self, millis: std::ops::Range<u64>, every: u64) {
        for milli in millis {
            let now = NOW + milli * MILLI;
            self.look(now);
            if milli % every == 0 {
                self.come(now);
            }
        }
    }
}

#[test]
fn callers_pass_in_the_order_in_which_they_came_until_the_line_has_stood() {
    let mut crowd = Crowd::new(&[(of_ten_millis(), Charge::ONE)]);
    (0..30).for_each(|_| crowd.come(NOW));
    crowd.run(1..320, 1000);
    assert_eq!(crowd.passed, (0..30).collect::<Vec<_>>(), "a crowd that comes at once is none that lasts");
    crowd.run(320..420, 8);
    let in_order: Vec<_> = (0..crowd.passed.len()).collect();
    assert_eq!(crowd.passed, in_order);
}

#[test]
fn the_newest_pass_first_once_the_line_has_stood_and_the_oldest_wait_until_their_wait_is_over() {
    let mut crowd = Crowd::new(&[(of_ten_millis(), Charge::ONE)]);
    crowd.run(1..2000, 5);
    // All that pass have just come, and none of the others is lost before it has waited for a second.
    let newest = &crowd.passed[crowd.passed.len() - 100..];
    let first = newest[0];
    assert!(newest.iter().enumerate().all(|(at, number)| number.abs_diff(first + 2 * at) <= 3), "{newest:?}");
    assert!(crowd.refused.len() > 50);
    let (refused, waiting) = (crowd.refused.len(), crowd.waiting.len());
    assert!((60..=100).contains(&waiting), "as many as pass in a second: {waiting}");
    assert_eq!(refused + waiting + crowd.passed.len(), crowd.came);
    // Nobody comes any more: those who wait pass, the newest first.
    let before = crowd.passed.len();
    crowd.run(2000..2400, 100_000);
    let (rest, sorted) =
        (&crowd.passed[before..], crowd.passed[before..].is_sorted_by(|one, other| one > other));
    assert!(rest.len() >= 39 && sorted, "{rest:?}");
    crowd.run(2400..3100, 100_000);
    assert_eq!(crowd.waiting.len(), 0);
    assert!(crowd.limits[0].0.book().is_empty());
    crowd.run(3100..3200, 10);
    assert!(crowd.passed.ends_with(&[crowd.came - 2, crowd.came - 1]), "it is over");
}

/// A caller that is told of a turn and not polled keeps it from nobody.
#[test]
fn callers_without_a_turn_that_are_not_polled_hold_up_nobody() {
    let limiter = of_ten_millis();
    let mut crowd = Crowd::new(&[(limiter, Charge::ONE)]);
    crowd.run(1..500, 8);
    let (passed, now) = (crowd.passed.len(), NOW + 500 * MILLI);
    let unpolled: Vec<_> = (0..5).map(|_| reserve(&crowd.limits, now)).collect();
    assert!(crowd.waiting.len() > 10);
    crowd.run(501..1000, 8);
    assert!(crowd.passed.len() >= passed + 45, "{} after {passed}", crowd.passed.len());
    for turn in unpolled {
        turn.give_up(NOW + SECOND);
    }
}

/// Whether a caller has been woken since it was asked last.
fn is_woken(turn: &Reservation) -> bool {
    let mut changed = std::pin::pin!(turn.changed());
    changed.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[test]
fn the_newest_without_a_turn_is_woken_once_one_has_passed() {
    let mut crowd = Crowd::new(&[(of_ten_millis(), Charge::ONE)]);
    crowd.run(1..500, 8);
    let now = NOW + 500 * MILLI;
    let aside: Vec<&Reservation> =
        crowd.waiting.iter().map(|(_, turn)| turn).filter(|turn| turn.turn() == ASIDE).collect();
    let (_, next) =
        crowd.waiting.iter().find(|(_, turn)| turn.turn() != ASIDE).expect("one has the next turn");
    for turn in &aside {
        is_woken(turn);
    }
    assert!(!aside.iter().any(|turn| is_woken(turn)) && aside.len() > 2);
    assert!(matches!(next.look(next.turn().max(now)), Look::Passed));
    let (newest, others) = aside.split_last().expect("some");
    assert!(is_woken(newest), "there is a turn for it");
    assert_eq!(
        others.iter().filter(|turn| is_woken(turn)).count(),
        1,
        "and one more is told, should it not be polled"
    );
}

/// One limit is overloaded, the other is not: a caller that the second one makes wait keeps its turn in both.
#[test]
fn a_turn_that_another_limit_makes_late_is_not_taken_away() {
    let all = of_ten_millis();
    let spec = RateLimitSpec { wait: Duration::from_mins(1), ..each_second(1).with_key(true) };
    let key = lasting(Limiter::new("key", spec));
    let charge = Charge { key: 7, cost: 1 };
    assert!(key.admits(charge, NOW));
    let mut crowd = Crowd::new(&[(all, Charge::ONE)]);
    let slow = reserve(&[(all, Charge::ONE), (key, charge)], NOW);
    crowd.run(1..1000, 8);
    let at = slow.turn();
    assert!((at - NOW).abs_diff(SECOND) <= 10 * MILLI);
    crowd.run(1000..1010, 8);
    assert!(matches!(slow.look(at.max(NOW + 1010 * MILLI)), Look::Passed));
}

/// Functions that share one limit and have others beside it: no caller needs the locks of the others' limits.
#[test]
fn callers_with_other_limits_keep_their_turns_and_the_bound() {
    let all = of_ten_millis();
    let beside = lasting(Limiter::new("beside", RateLimitSpec::new(Rate::per_secs(1000, 1))));
    let (mut one, mut both) =
        (Crowd::new(&[(all, Charge::ONE)]), Crowd::new(&[(all, Charge::ONE), (beside, Charge::ONE)]));
    for milli in (1..2000).step_by(16) {
        one.run(milli..milli + 16, 16);
        both.run(milli..milli + 16, 16);
    }
    let passed = one.passed.len() + both.passed.len();
    assert!((190..=201).contains(&passed), "{passed}");
    assert!(one.passed.len() >= 60 && both.passed.len() >= 60, "{} {}", one.passed.len(), both.passed.len());
}

/// A caller of a high cost takes the turns of several older ones, and waits no longer than they would.
#[test]
fn a_newer_caller_of_a_high_cost_takes_several_turns() {
    let spec = RateLimitSpec { wait: Duration::from_secs(9), rate: Rate::per_secs(100, 1), ..each_second(5) };
    let limiter = lasting(Limiter::new("cost", spec));
    assert!(limiter.admits(Charge::plain(5), NOW));
    let mut crowd = Crowd::new(&[(limiter, Charge::ONE)]);
    crowd.run(1..1000, 8);
    let now = NOW + SECOND;
    let dear = reserve(&[(limiter, Charge::plain(5))], now);
    assert!(dear.turn() <= now + 60 * MILLI, "{}", (dear.turn() - now) / MILLI);
    assert!(matches!(dear.look(dear.turn()), Look::Passed));
}

/// Where no turn comes in time even for the newest, it is refused at once.
#[test]
fn a_newcomer_that_no_turn_would_reach_in_time_is_refused_at_once() {
    let limiter = of_ten_millis();
    let mut crowd = Crowd::new(&[(limiter, Charge::ONE)]);
    crowd.run(1..500, 8);
    let (waiting, now) = (crowd.waiting.len(), NOW + 500 * MILLI);
    assert!(waiting > 5);
    assert!(matches!(ask(&crowd.limits, now, now), Entered::Refused(..)));
    assert!(matches!(ask(&crowd.limits, now, now + 15 * MILLI), Entered::Later(_)));
    assert_eq!(crowd.waiting.len(), waiting);
}

/// New numbers give turns to all, in the order of their coming.
#[test]
fn other_numbers_give_turns_to_callers_without_one() {
    let limiter = of_ten_millis();
    let mut crowd = Crowd::new(&[(limiter, Charge::ONE)]);
    crowd.run(1..1000, 8);
    let now = NOW + SECOND;
    let spec =
        RateLimitSpec { wait: Duration::from_secs(1), rate: Rate::per_secs(1000, 1), ..each_second(1) };
    limiter.tune_at(Some(&spec), now);
    let turns: Vec<_> = crowd.waiting.iter().map(|(_, turn)| turn.turn()).collect();
    assert!(turns.len() > 20 && turns[0] <= now + MILLI, "{turns:?}");
    assert!(turns.windows(2).all(|two| two[1] - two[0] == MILLI), "{turns:?}");
    limiter.tune_at(None, now);
    crowd.look(now);
    assert!(crowd.waiting.is_empty() && crowd.refused.is_empty());
}

/// A line that has been overloaded for a while, and those in it that have a turn.
fn overloaded(millis: u64) -> (Crowd, Vec<Nanos>) {
    let mut crowd = Crowd::new(&[(of_ten_millis(), Charge::ONE)]);
    crowd.run(1..millis, 8);
    let turns = crowd.waiting.iter().map(|(_, turn)| turn.turn()).filter(|turn| *turn != ASIDE).collect();
    (crowd, turns)
}

#[test]
fn a_newcomer_has_the_next_turn_or_is_told_how_long_the_line_is() {
    let now = NOW + 493 * MILLI;
    for (less, waits) in [(0, true), (1, false)] {
        let (crowd, turns) = overloaded(493);
        let next = *turns.iter().min().expect("one has the next turn");
        match ask(&crowd.limits, now, next - less) {
            Entered::Later(turn) => assert!(waits && turn.turn() == next, "{}", turn.turn()),
            Entered::Refused(_, refused) => {
                let wait = refused.retry_after;
                assert!(!waits && (MILLI..=SECOND).contains(&wait), "{less} {wait}");
            }
            Entered::Now => panic!("nobody passes"),
        }
    }
}

#[test]
fn a_turn_of_this_very_moment_is_no_other_s_to_come() {
    let (crowd, turns) = overloaded(500);
    let now = *turns.iter().min().expect("one has the next turn");
    let newcomer = reserve(&crowd.limits, now);
    assert_eq!(newcomer.turn(), now + 10 * MILLI, "{turns:?}");
}

use super::*;

/// The time of a burst.
const STANDING: Nanos = 100 * MILLI;
const MILLI: Nanos = 1_000_000;

fn served(line: &mut Line, now: Nanos) -> Vec<u64> {
    std::iter::from_fn(|| line.next(now)).map(|(ticket, _)| ticket).collect()
}

#[test]
fn a_burst_is_first_in_first_out() {
    let mut line = Line::default();
    let joined: Vec<_> = (0..5).map(|at| line.join(at * STANDING / 4, NEVER, false, None)).collect();
    assert_eq!(served(&mut line, 100 * STANDING), joined);
}

/// A queue in which seven callers wait, all of which came after a burst.
fn after_a_burst(hurried: bool) -> (Line, Vec<u64>) {
    let mut line = Line::default();
    let first = line.join(0, NEVER, hurried, None);
    let late = (0..7).map(|_| line.join(STANDING + 1, NEVER, hurried, None)).collect();
    assert_eq!(line.next(STANDING + 1).map(|(ticket, _)| ticket), Some(first));
    (line, late)
}

#[test]
fn a_queue_that_stands_is_served_newest_first_until_it_is_empty() {
    let too_late = STANDING + 2 + ASSUMED;
    let (mut line, late) = after_a_burst(false);
    assert_eq!(line.next(too_late - 1).map(|(ticket, _)| ticket), Some(late[0]));
    assert_eq!(line.next(too_late).map(|(ticket, _)| ticket), Some(late[6]));
    let newest = line.join(too_late, NEVER, false, None);
    assert_eq!(served(&mut line, too_late), [newest, late[5], late[4], late[3], late[2], late[1]]);
    // Empty: a new burst.
    let burst: Vec<_> = (0..9).map(|_| line.join(too_late, NEVER, false, None)).collect();
    assert_eq!(served(&mut line, 2 * too_late), burst);
}

#[test]
fn a_queue_does_not_stand_where_deadlines_are_known_or_few_wait() {
    let (mut line, late) = after_a_burst(true);
    assert_eq!(served(&mut line, 100 * ASSUMED), late);
    let (mut line, late) = after_a_burst(false);
    let in_time = [line.next(ASSUMED), line.next(ASSUMED)].map(|next| next.map(|(ticket, _)| ticket));
    assert_eq!(in_time, [Some(late[0]), Some(late[1])]);
    assert_eq!(served(&mut line, 100 * ASSUMED), late[2..]);
}

#[test]
fn callers_that_leave_tell_how_long_a_wait_can_be_borne() {
    for (polled, leaves_at) in [(true, 10 * MILLI), (false, 10 * MILLI), (true, 20 * MILLI)] {
        let (mut line, late) = after_a_burst(true);
        for _ in 0..3 {
            let leaves = line.join(STANDING, STANDING + 20 * MILLI, true, None);
            if polled {
                line.claim(leaves, STANDING, Waker::noop());
            }
            assert_eq!(line.leave(leaves, STANDING + leaves_at).0, Left::Place);
        }
        let served = [5, 6].map(|wait| line.next(STANDING + 1 + wait * MILLI).map(|(ticket, _)| ticket));
        let many_leave = polled && leaves_at < 20 * MILLI;
        assert_eq!(served, [Some(late[0]), Some(late[if many_leave { 6 } else { 1 }])]);
    }
}

#[test]
fn callers_that_are_served_weigh_against_those_that_leave() {
    /// Three have left; one more is served after this.
    fn share_after(how: fn(&mut Line, u64)) -> u32 {
        let mut line = Line::default();
        for _ in 0..3 {
            let leaves = line.join(0, NEVER, true, None);
            line.claim(leaves, 0, Waker::noop());
            line.leave(leaves, MILLI);
        }
        let first = line.join(0, NEVER, true, None);
        let next = line.next(0).expect("it waits");
        line.offer(next, 0);
        how(&mut line, first);
        line.departures.share
    }
    let nobody = share_after(|_, _| ());
    let offered = share_after(|line, first| assert_eq!(line.claim(first, 0, Waker::noop()).0, Claim::Permit));
    assert!(offered < nobody);
    let free = |line: &mut Line, first: u64| {
        assert!(line.take_late(GRACE));
        assert_eq!(line.claim(first, GRACE, Waker::noop()).0, Claim::IfFree);
        line.settle(first, true, GRACE);
    };
    assert_eq!(share_after(free), offered);
    let of_another = |line: &mut Line, first: u64| {
        assert!(line.take_late(GRACE));
        line.join(GRACE, NEVER, true, None);
        let next = line.next(GRACE).expect("it waits");
        line.offer(next, GRACE);
        assert_eq!(line.claim(first, GRACE, Waker::noop()).0, Claim::Permit);
    };
    assert_eq!(share_after(of_another), offered);
    let waits_on = |line: &mut Line, first: u64| {
        assert!(line.take_late(GRACE));
        assert_eq!(line.claim(first, GRACE, Waker::noop()).0, Claim::IfFree);
        line.settle(first, false, GRACE);
    };
    assert_eq!(share_after(waits_on), nobody);
}

#[test]
fn those_whose_patience_is_over_leave_their_places_to_others() {
    let mut line = Line::default();
    let [late, passed, offered, patient] =
        [10, 20, 30, 40].map(|until| line.join(0, until * MILLI, true, None));
    let mut woken = Vec::new();
    line.claim(late, 0, Waker::noop());
    let taken = [(); 3].map(|()| line.next(0).expect("they wait"));
    let [first, second, third] = taken;
    line.offer(second, 0);
    assert!(line.take_late(GRACE));
    line.put_back(first);
    line.offer(third, 0);
    assert_eq!((line.expire(10 * MILLI, &mut woken), woken.len()), (0, 0));
    assert_eq!((line.expire(10 * MILLI + 1, &mut woken), woken.len()), (1, 1));
    assert_eq!(line.claim(late, 11 * MILLI, Waker::noop()).0, Claim::Waits);
    assert_eq!(line.leave(late, 11 * MILLI).0, Left::Nothing);
    assert_eq!((line.expire(20 * MILLI, &mut woken), line.expire(21 * MILLI, &mut woken)), (0, 1));
    assert_eq!(line.leave(passed, 21 * MILLI).0, Left::Nothing);
    // A permit that is offered is no place; once it is passed on, its caller has one.
    assert_eq!((line.expire(31 * MILLI, &mut woken), line.soonest), (0, 30 * MILLI));
    assert!(line.take_late(31 * MILLI));
    assert_eq!((line.expire(31 * MILLI, &mut woken), line.soonest), (1, 40 * MILLI));
    assert_eq!(line.leave(offered, 31 * MILLI).0, Left::Nothing);
    assert_eq!(line.leave(patient, 31 * MILLI).0, Left::Place);
    // The patience of those who are gone says nothing of the next ones.
    line.join(0, 90 * MILLI, true, None);
    assert_eq!(line.soonest, 90 * MILLI);
    line.join(0, 80 * MILLI, true, None);
    line.join(0, 95 * MILLI, true, None);
    assert_eq!(line.soonest, 80 * MILLI);
}

#[test]
fn a_caller_that_is_put_back_is_the_next_again() {
    let mut line = Line::default();
    let joined = [(); 2].map(|()| line.join(0, NEVER, false, None));
    let next = line.next(0).expect("two wait");
    line.put_back(next);
    assert_eq!(served(&mut line, 0), joined);
}

#[test]
fn a_caller_that_was_passed_over_may_enter_until_its_patience_ends() {
    for (now, claim) in [(MILLI + GRACE, Claim::IfFree), (MILLI + GRACE + 1, Claim::Waits)] {
        let mut line = Line::default();
        let first = line.join(0, MILLI + GRACE, false, None);
        let next = line.next(0).expect("it waits");
        line.offer(next, 0);
        assert!(line.take_late(GRACE));
        assert_eq!(line.claim(first, now, Waker::noop()).0, claim, "{now}");
    }
}

#[test]
fn nobody_is_offered_a_permit_beyond_its_patience() {
    let mut line = Line::default();
    let (soon, later) = (line.join(0, MILLI, false, None), line.join(0, 2 * MILLI, false, None));
    assert_eq!(served(&mut line, 2 * MILLI), [later]);
    assert_eq!(line.claim(soon, 2 * MILLI, Waker::noop()).0, Claim::Waits);
    assert_eq!(line.leave(soon, 2 * MILLI).0, Left::Place);
    // Nor does it take one that was offered in time.
    let late = line.join(0, MILLI, false, None);
    let next = line.next(MILLI).expect("it is in time");
    assert!(line.offer(next, MILLI).is_none(), "it was never polled");
    assert_eq!(line.claim(late, MILLI + 1, Waker::noop()).0, Claim::Waits);
    assert_eq!(line.leave(late, MILLI + 1).0, Left::Permit);
    assert!(!line.is_ready());
}

#[test]
fn a_permit_goes_on_when_its_caller_is_not_polled_in_time() {
    let mut line = Line::default();
    let [first, second, third] = [(); 3].map(|()| line.join(0, NEVER, false, None));
    let mut woken = Vec::new();
    let next = line.next(0).expect("three wait");
    line.offer(next, 0);
    assert!(line.needs_watch(0));
    line.watched = Some(GRACE);
    assert!(!line.needs_watch(2 * GRACE - 1) && line.needs_watch(2 * GRACE), "the timer is lost");
    line.end_watch();
    assert!(line.needs_watch(0));
    line.pass_on(GRACE - 1, &mut woken);
    assert!(!line.take_late(GRACE - 1));
    assert_eq!(line.claim(third, 0, Waker::noop()).0, Claim::Waits);
    line.pass_on(GRACE, &mut woken);
    assert_eq!(line.claim(second, GRACE, Waker::noop()).0, Claim::Permit);
    assert!(!line.needs_watch(GRACE), "nothing is offered");
    // The one that was passed over waits for a free permit, and is not the next before it is polled.
    let next = line.next(GRACE).expect("the third waits");
    assert_eq!(next.0, third);
    assert!(line.offer(next, GRACE).is_some());
    assert!(line.next(GRACE).is_none() && !line.needs_watch(GRACE));
    // It is earlier than the third, and polled first.
    assert_eq!(line.claim(first, GRACE, Waker::noop()).0, Claim::Permit);
    assert_eq!(line.claim(third, GRACE, Waker::noop()).0, Claim::Waits);
    assert!(line.is_ready());
}

#[test]
fn a_caller_that_was_passed_over_asks_for_what_is_free() {
    let mut line = Line::default();
    let first = line.join(0, NEVER, false, None);
    let next = line.next(0).expect("it waits");
    line.offer(next, 0);
    assert!(line.take_late(GRACE) && !line.take_late(GRACE));
    assert_eq!(line.claim(first, GRACE, Waker::noop()).0, Claim::IfFree);
    line.settle(first, false, GRACE);
    assert!(line.is_ready(), "it waits like others");
    let next = line.next(GRACE).expect("it waits");
    line.offer(next, GRACE);
    assert!(line.take_late(2 * GRACE));
    assert_eq!(line.claim(first, 2 * GRACE, Waker::noop()).0, Claim::IfFree);
    line.settle(first, true, 2 * GRACE);
    assert!(!line.is_ready() && line.leave(first, 2 * GRACE).0 == Left::Nothing);
}

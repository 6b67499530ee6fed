use super::*;

const NEVER: Nanos = Nanos::MAX;
const MILLI: Nanos = 1_000_000;

fn served(line: &mut Line, now: Nanos) -> Vec<u64> {
    std::iter::from_fn(|| line.next(now)).map(|(ticket, _)| ticket).collect()
}

#[test]
fn a_burst_is_first_in_first_out() {
    let mut line = Line::default();
    let joined: Vec<_> = (0..5).map(|at| line.join(at * STANDING / 4, NEVER, None)).collect();
    assert_eq!(served(&mut line, 100 * STANDING), joined);
}

#[test]
fn a_queue_that_stands_is_served_newest_first_until_it_is_empty() {
    let mut line = Line::default();
    let first = line.join(0, NEVER, None);
    let late: Vec<_> = (0..3).map(|_| line.join(STANDING + 1, NEVER, None)).collect();
    assert_eq!(line.next(STANDING + 1).map(|(ticket, _)| ticket), Some(first));
    assert_eq!(line.next(STANDING + 1).map(|(ticket, _)| ticket), Some(late[2]));
    let newest = line.join(STANDING + 2, NEVER, None);
    assert_eq!(served(&mut line, STANDING + 2), [newest, late[1], late[0]]);
    // Empty: a new burst.
    let burst = [line.join(STANDING + 3, NEVER, None), line.join(STANDING + 3, NEVER, None)];
    assert_eq!(served(&mut line, STANDING + 3), burst);
}

#[test]
fn a_queue_stands_only_after_the_time_of_a_burst() {
    let mut line = Line::default();
    let joined = [0, STANDING, STANDING].map(|at| line.join(at, NEVER, None));
    assert_eq!(served(&mut line, STANDING), joined);
}

#[test]
fn a_caller_that_is_put_back_is_the_next_again() {
    let mut line = Line::default();
    let joined = [(); 2].map(|()| line.join(0, NEVER, None));
    let next = line.next(0).expect("two wait");
    line.put_back(next);
    assert_eq!(served(&mut line, 0), joined);
}

#[test]
fn a_caller_that_was_passed_over_may_enter_until_its_patience_ends() {
    for (now, claim) in [(MILLI + GRACE, Claim::IfFree), (MILLI + GRACE + 1, Claim::Waits)] {
        let mut line = Line::default();
        let first = line.join(0, MILLI + GRACE, None);
        let next = line.next(0).expect("it waits");
        line.offer(next, 0);
        assert!(line.take_late(GRACE));
        assert_eq!(line.claim(first, now, Waker::noop()).0, claim, "{now}");
    }
}

#[test]
fn nobody_is_offered_a_permit_beyond_its_patience() {
    let mut line = Line::default();
    let (soon, later) = (line.join(0, MILLI, None), line.join(0, 2 * MILLI, None));
    assert_eq!(served(&mut line, 2 * MILLI), [later]);
    assert_eq!(line.claim(soon, 2 * MILLI, Waker::noop()).0, Claim::Waits);
    assert!(!line.leave(soon).0);
    // Nor does it take one that was offered in time.
    let late = line.join(0, MILLI, None);
    let next = line.next(MILLI).expect("it is in time");
    assert!(line.offer(next, MILLI).is_none(), "it was never polled");
    assert_eq!(line.claim(late, MILLI + 1, Waker::noop()).0, Claim::Waits);
    assert!(line.leave(late).0);
    assert!(!line.is_ready());
}

#[test]
fn a_permit_goes_on_when_its_caller_is_not_polled_in_time() {
    let mut line = Line::default();
    let [first, second, third] = [(); 3].map(|()| line.join(0, NEVER, None));
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
    let first = line.join(0, NEVER, None);
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
    assert!(!line.is_ready() && !line.leave(first).0);
}

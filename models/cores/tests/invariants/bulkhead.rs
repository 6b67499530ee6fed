//! Places and the queue before them, against plain counting.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use hardening_cores::clock;
use hardening_cores::policy::bulkhead::{Bulkhead, Entry};
use hardening_spec::BulkheadSpec;

use super::support::{MILLI, Nanos, SECOND, for_each_seed};

type Waiter<'b> = Pin<Box<dyn Future<Output = ()> + 'b>>;

fn spec(max: u32, queue: u32) -> BulkheadSpec {
    BulkheadSpec { queue, ..BulkheadSpec::new(max) }
}

fn has_its_turn(waiter: &mut Waiter<'_>) -> bool {
    waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn takes(bulkhead: &Bulkhead, most: u32) -> u32 {
    (0..most).take_while(|_| bulkhead.enter() == Entry::Entered).count() as u32
}

#[test]
fn places_and_the_queue_are_what_counting_says() {
    for_each_seed(500, |random| {
        let (mut max, mut places) = (random.u32(1..6), random.u32(..4));
        let bulkhead = Bulkhead::new(&spec(max, places), 0);
        let queues = places > 0;
        assert_eq!(bulkhead.can_queue(), queues);
        let (mut running, mut waiters) = (0, VecDeque::new());
        for _ in 0..200 {
            match random.u8(..10) {
                0..5 => {
                    let expected = if running < max && waiters.is_empty() {
                        running += 1;
                        Entry::Entered
                    } else if queues && waiters.len() < places as usize {
                        Entry::Queue
                    } else {
                        Entry::Full
                    };
                    assert_eq!(bulkhead.enter(), expected, "{running} of {max}, {} wait", waiters.len());
                    if expected == Entry::Queue {
                        let mut waiter: Waiter<'_> = Box::pin(bulkhead.queue());
                        assert!(!has_its_turn(&mut waiter));
                        waiters.push_back(waiter);
                    }
                }
                5..8 if running > 0 => {
                    running -= 1;
                    bulkhead.leave();
                }
                8 if !waiters.is_empty() => drop(waiters.remove(random.usize(..waiters.len()))),
                9 => {
                    (max, places) = (random.u32(1..6), random.u32(..4));
                    bulkhead.tune(Some(&spec(max, places)));
                }
                _ => {}
            }
            while running < max && !waiters.is_empty() {
                assert!(
                    has_its_turn(&mut waiters.pop_front().unwrap()),
                    "the first in the queue is the next"
                );
                running += 1;
            }
            assert!(waiters.iter_mut().all(|waiter| !has_its_turn(waiter)), "no place for another");
            let counted = (bulkhead.running(), bulkhead.waiting() as usize, bulkhead.max());
            assert_eq!(counted, (running, waiters.len(), max));
        }
    });
}

/// Some of those who wait are polled and some are not, and some leave: no permit is lost or made, and whoever is polled gets one as
/// soon as those before it are served, or were not polled in time.
#[test]
fn whoever_is_polled_is_served_whoever_is_not() {
    for_each_seed(500, |random| {
        let mut max = random.u32(1..4);
        let bulkhead = Bulkhead::new(&spec(max, 20), 0);
        let (mut now, mut running, mut waiters) = (SECOND, 0, Vec::<Waiter<'_>>::new());
        for _ in 0..200 {
            clock::set(now);
            match random.u8(..12) {
                0..4 => match bulkhead.enter() {
                    Entry::Entered => {
                        running += 1;
                        assert!(running <= max, "{running} of {max}");
                    }
                    Entry::Queue => waiters.push(Box::pin(bulkhead.queue())),
                    Entry::Full => {}
                },
                4..7 if running > 0 => {
                    running -= 1;
                    bulkhead.leave();
                }
                7..9 if !waiters.is_empty() => {
                    let at = random.usize(..waiters.len());
                    if has_its_turn(&mut waiters[at]) {
                        drop(waiters.remove(at));
                        running += 1;
                        assert!(running <= max, "{running} of {max}");
                    }
                }
                9 if !waiters.is_empty() => drop(waiters.remove(random.usize(..waiters.len()))),
                10 if bulkhead.running() <= 1 => {
                    max = random.u32(1..4);
                    bulkhead.tune(Some(&spec(max, 20)));
                }
                _ => now += random.u64(..20 * MILLI),
            }
            assert!(bulkhead.running() >= running && bulkhead.running() <= max.max(running));
        }
        // One is polled, the others are not, and nobody comes or goes but those who look in.
        if let Some(mut waiter) = waiters.pop() {
            (0..running).for_each(|_| bulkhead.leave());
            running = 0;
            let turn = (0..30).any(|_| {
                now += 10 * MILLI;
                clock::set(now);
                let served = has_its_turn(&mut waiter);
                if !served {
                    match bulkhead.enter() {
                        Entry::Entered => bulkhead.leave(),
                        Entry::Queue => drop(bulkhead.queue()),
                        Entry::Full => {}
                    }
                }
                served
            });
            assert!(turn, "{} wait", waiters.len());
            running += 1;
        }
        drop(waiters);
        (0..running).for_each(|_| bulkhead.leave());
        assert_eq!((bulkhead.running(), bulkhead.waiting(), takes(&bulkhead, 9)), (0, 0, max));
        clock::set(0);
    });
}

/// A place that is free when it is given is nobody's debt, and one that is owed is nobody's place.
#[test]
fn a_limit_that_falls_and_rises_again_loses_no_place() {
    for queue in [0, 1] {
        let bulkhead = Bulkhead::new(&spec(5, queue), 0);
        assert_eq!(takes(&bulkhead, 4), 4);
        bulkhead.tune(Some(&spec(2, queue)));
        bulkhead.tune(Some(&spec(3, queue)));
        assert_eq!((bulkhead.running(), bulkhead.max()), (4, 3));
        bulkhead.leave();
        assert_ne!(bulkhead.enter(), Entry::Entered, "three of three are inside");
        bulkhead.tune(Some(&spec(7, 0)));
        assert_eq!(takes(&bulkhead, 10), 4);
    }
}

#[test]
fn a_bulkhead_that_is_switched_off_refuses_nobody_and_forgets_nobody() {
    for queue in [0, 3] {
        let bulkhead = Bulkhead::new(&spec(2, queue), 0);
        assert_eq!(takes(&bulkhead, 2), 2);
        bulkhead.tune(None);
        assert!(bulkhead.max() <= u32::MAX >> 3, "what a semaphore holds on a machine of 32 bits");
        assert_eq!(takes(&bulkhead, 10_000), 10_000);
        bulkhead.tune(Some(&spec(10, queue)));
        (0..9_993).for_each(|_| bulkhead.leave());
        assert_eq!((bulkhead.running(), takes(&bulkhead, 100)), (9, 1));
    }
}

#[test]
fn threads_take_no_more_places_than_there_are() {
    for queue in [0, 2] {
        let bulkhead = Bulkhead::new(&spec(3, queue), 0);
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    for _ in 0..3000 {
                        match bulkhead.enter() {
                            Entry::Entered => {
                                assert!(bulkhead.running() <= 3);
                                bulkhead.leave();
                            }
                            Entry::Queue => drop(bulkhead.queue()),
                            Entry::Full => {}
                        }
                    }
                });
            }
        });
        assert_eq!((bulkhead.running(), bulkhead.waiting(), takes(&bulkhead, 9)), (0, 0, 3));
    }
}

#[test]
fn the_longest_wait_is_the_one_that_was_written_last() {
    let waiting = |wait| BulkheadSpec { max_wait: wait, ..spec(1, 1) };
    let bulkhead = Bulkhead::new(&waiting(Some(Duration::from_millis(5))), 0);
    assert_eq!(bulkhead.max_wait(), 5 * MILLI);
    bulkhead.tune(Some(&waiting(None)));
    assert_eq!(bulkhead.max_wait(), Nanos::MAX);
    bulkhead.tune(Some(&waiting(Some(Duration::from_secs(1)))));
    assert_eq!(bulkhead.max_wait(), SECOND);
}

/// Ten calls that took this long.
fn learn(bulkhead: &Bulkhead, took: Nanos, now: Nanos) {
    (0..10).for_each(|_| bulkhead.learn(took, false, now));
}

#[test]
fn i_18_what_a_bulkhead_learns_becomes_its_places() {
    for queue in [0, 2] {
        let spec = BulkheadSpec { queue, ..BulkheadSpec::adaptive().with_initial(4) };
        let bulkhead = Bulkhead::new(&spec, 0);
        assert_eq!((bulkhead.max(), takes(&bulkhead, 9)), (4, 4), "the limit that it begins with");
        learn(&bulkhead, 10 * MILLI, SECOND);
        assert_eq!((bulkhead.max(), takes(&bulkhead, 9)), (8, 4), "nobody waited: twice as many");
        learn(&bulkhead, 40 * MILLI, 2 * SECOND);
        assert!(bulkhead.max() < 8, "a queue somewhere: fewer");
        // Off it learns nothing, on again it is where it was, within its bounds.
        let learnt = bulkhead.max();
        bulkhead.tune(None);
        let off = bulkhead.max();
        learn(&bulkhead, 10 * MILLI, 3 * SECOND);
        assert_eq!(bulkhead.max(), off);
        bulkhead.tune(Some(&BulkheadSpec { max: 2, ..spec }));
        assert!(learnt > 2 && bulkhead.max() == 2);
        bulkhead.tune(Some(&BulkheadSpec { max: 9, ..spec.with_min(9) }));
        assert_eq!(bulkhead.max(), 9);
        bulkhead.tune(Some(&BulkheadSpec { max: 50, ..spec }));
        assert_eq!(bulkhead.max(), 9, "what may be is not what is");
    }
    let fixed = Bulkhead::new(&spec(4, 0), 0);
    assert_eq!(takes(&fixed, 9), 4);
    learn(&fixed, 10 * MILLI, SECOND);
    assert_eq!(fixed.max(), 4);
}

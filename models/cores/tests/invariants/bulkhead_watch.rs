//! Who looks after a permit that was offered to a caller that is not polled.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};

use hardening_cores::clock;
use hardening_cores::policy::bulkhead::{Bulkhead, Entry};
use hardening_spec::BulkheadSpec;

use super::support::{MILLI, Nanos};

/// How long an offered permit waits for its caller.
const GRACE: Nanos = 10 * MILLI;

type Waiter<'b> = Pin<Box<dyn Future<Output = ()> + 'b>>;

/// Counts how often a caller was woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn times(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn is_served(waiter: &mut Waiter<'_>, woken: &Arc<Woken>) -> bool {
    let waker = Waker::from(Arc::clone(woken));
    waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
}

/// A bulkhead with one place, which is taken.
fn full() -> Bulkhead {
    clock::set(0);
    clock::run_on(None);
    let bulkhead = Bulkhead::new(&BulkheadSpec { queue: 100, ..BulkheadSpec::new(1) }, 0);
    assert_eq!(bulkhead.enter(), Entry::Entered);
    bulkhead
}

/// A caller that waits, polled by `runtime`.
fn joins<'b>(bulkhead: &'b Bulkhead, runtime: Option<u32>) -> (Waiter<'b>, Arc<Woken>) {
    clock::run_on(runtime);
    assert_eq!(bulkhead.enter(), Entry::Queue);
    let (mut waiter, woken): (Waiter<'b>, _) = (Box::pin(bulkhead.queue()), Arc::default());
    assert!(!is_served(&mut waiter, &woken));
    (waiter, woken)
}

/// The runtimes of the timers, of those alone that are due at `at`.
fn watched_by(at: Nanos) -> Vec<u32> {
    clock::timers().into_iter().filter(|timer| timer.1 == at).map(|(runtime, _)| runtime).collect()
}

#[test]
fn the_current_runtime_and_those_that_wait_watch_four_at_most() {
    let bulkhead = full();
    let waiters: Vec<_> = [8, 1, 1, 2, 3, 4].map(|on| joins(&bulkhead, Some(on))).into();
    assert_eq!(watched_by(GRACE), [0_u32; 0], "nothing is offered");
    clock::run_on(Some(9));
    bulkhead.leave();
    assert_eq!(watched_by(GRACE), [9, 1, 2, 3], "whoever is offered the permit may not be driven");
    assert_eq!(waiters.iter().map(|(_, woken)| woken.times()).collect::<Vec<_>>(), [1, 0, 0, 0, 0, 0]);
    (1..10).for_each(|runtime| clock::ring(runtime, true));

    let bulkhead = full();
    let _waiters: Vec<_> = [1, 2, 2].map(|on| joins(&bulkhead, Some(on))).into();
    clock::run_on(Some(2));
    bulkhead.leave();
    assert_eq!(watched_by(GRACE), [2], "each once");
    clock::ring(2, true);

    // The newest callers are looked at as well as the oldest, of which nobody has a runtime here.
    let bulkhead = full();
    let mut waiters: Vec<_> = (0..90).map(|_| joins(&bulkhead, None)).collect();
    waiters.push(joins(&bulkhead, Some(5)));
    clock::run_on(None);
    bulkhead.leave();
    assert_eq!(watched_by(GRACE), [5]);
    clock::ring(5, true);
}

#[test]
fn a_watch_passes_the_permit_on_and_the_next_one_begins_with_it() {
    let bulkhead = full();
    let mut waiters = [(); 3].map(|()| joins(&bulkhead, Some(1)));
    clock::run_on(None);
    bulkhead.leave();
    clock::set(GRACE - 1);
    clock::ring(1, false);
    assert_eq!((waiters[1].1.times(), watched_by(GRACE)), (0, vec![1]), "not due");
    clock::set(GRACE);
    clock::ring(1, false);
    assert_eq!((waiters[0].1.times(), waiters[1].1.times()), (1, 1));
    assert_eq!((clock::timers().len(), watched_by(2 * GRACE)), (1, vec![1]));
    let (second, woken) = &mut waiters[1];
    assert!(is_served(second, woken));
    // What is not offered any more needs nobody.
    clock::set(2 * GRACE);
    clock::ring(1, false);
    assert_eq!((waiters[2].1.times(), clock::timers()), (0, vec![]));
}

#[test]
fn one_watch_is_enough_until_it_is_lost() {
    let bulkhead = full();
    let mut waiters: Vec<_> = (0..6).map(|_| joins(&bulkhead, Some(1))).collect();
    clock::run_on(None);
    bulkhead.leave();
    assert_eq!(watched_by(GRACE), [1]);
    drop(waiters.pop());
    assert_eq!(clock::timers().len(), 1, "another look at the queue begins no other watch");
    // The runtime ends, and with it its timers: the next who comes or goes begins another.
    clock::ring(1, true);
    clock::run_on(Some(2));
    drop(waiters.pop());
    assert_eq!(watched_by(GRACE), [2, 1]);
    // It is driven no more: nobody hears from it, and after a while its watch counts as lost.
    clock::run_on(Some(3));
    clock::set(2 * GRACE - 1);
    drop(waiters.pop());
    assert_eq!(clock::timers().len(), 2);
    clock::set(2 * GRACE);
    drop(waiters.pop());
    assert_eq!(watched_by(3 * GRACE), [3, 1]);
    (1..4).for_each(|runtime| clock::ring(runtime, true));
}

#[test]
fn a_watch_that_nobody_can_keep_is_not_begun() {
    let bulkhead = full();
    let _first = joins(&bulkhead, None);
    let _second = joins(&bulkhead, None);
    bulkhead.leave();
    assert_eq!(clock::timers(), []);
    let _third = joins(&bulkhead, Some(7));
    assert_eq!(watched_by(GRACE), [7]);
    clock::ring(7, true);
}

#[test]
fn callers_that_are_not_polled_let_newcomers_go_first() {
    // One was passed over, and its permit has come back since.
    let bulkhead = full();
    let mut waiters = [(); 2].map(|()| joins(&bulkhead, None));
    bulkhead.leave();
    clock::set(GRACE);
    let newcomer = joins(&bulkhead, None);
    let (second, woken) = &mut waiters[1];
    assert!(is_served(second, woken), "what was offered to the first has been offered to it");
    drop(newcomer);
    bulkhead.leave();
    assert_eq!(bulkhead.enter(), Entry::Entered);
    assert_eq!(bulkhead.enter(), Entry::Queue);

    // One has been offered a permit, and nobody else waits.
    let bulkhead = full();
    let (mut late, woken) = joins(&bulkhead, None);
    bulkhead.leave();
    clock::set(GRACE - 1);
    let newcomer = joins(&bulkhead, None);
    drop(newcomer);
    clock::set(GRACE);
    assert_eq!(bulkhead.enter(), Entry::Entered);
    assert!(!is_served(&mut late, &woken), "it waits again");
    bulkhead.leave();
    assert!(is_served(&mut late, &woken));
}

//! Drain: everything that waits is told, whenever it began to wait.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hardening_spec::BulkheadSpec;
use shuttle::future::{block_on, spawn, yield_now};

use crate::lifecycle::Lifecycle;
use crate::policy::bulkhead::{Bulkhead, Entry};
use crate::{explore, together};

/// Waits for a place until the process stops; whether it got one.
async fn wait(bulkhead: Arc<Bulkhead>, lifecycle: Arc<Lifecycle>) -> bool {
    match bulkhead.enter() {
        Entry::Entered => {}
        Entry::Full => return false,
        Entry::Queue => {
            let (mut place, mut stopped) = (pin!(bulkhead.queue()), pin!(lifecycle.stopped()));
            let entered = poll_fn(|cx| {
                if place.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(true);
                }
                stopped.as_mut().poll(cx).map(|()| false)
            });
            if !entered.await {
                return false;
            }
        }
    }
    yield_now().await;
    bulkhead.leave();
    true
}

/// One holds the only place for good; four wait, and each of them ends when the process stops.
pub fn everything_that_waits_is_told() {
    explore(|| {
        block_on(async {
            let bulkhead = Arc::new(Bulkhead::new(&BulkheadSpec { queue: 4, ..BulkheadSpec::new(1) }, 0));
            let lifecycle = Arc::new(Lifecycle::default());
            assert_eq!(bulkhead.enter(), Entry::Entered);
            let stops = Arc::clone(&lifecycle);
            let stop = spawn(async move {
                yield_now().await;
                stops.stop_waiting();
            });
            let entered = together((0..4).map(|_| wait(Arc::clone(&bulkhead), Arc::clone(&lifecycle)))).await;
            stop.await.expect("stopping does not panic");
            assert_eq!(entered, [false; 4]);
            assert_eq!((bulkhead.running(), bulkhead.waiting()), (1, 0));
        });
    });
}

/// One that waits is never polled again, and another one leaves while places come free: the third gets one, and none is lost.
pub fn a_waiter_that_is_not_polled_holds_up_nobody_for_good() {
    explore(|| {
        block_on(async {
            let bulkhead = Arc::new(Bulkhead::new(&BulkheadSpec { queue: 4, ..BulkheadSpec::new(1) }, 0));
            assert_eq!(bulkhead.enter(), Entry::Entered);
            assert_eq!(bulkhead.enter(), Entry::Queue);
            let mut asleep = Box::pin(bulkhead.queue());
            poll_fn(|cx| {
                assert!(asleep.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            let (leaves, lifecycle) = (Arc::clone(&bulkhead), Arc::new(Lifecycle::default()));
            let leave = spawn(async move { leaves.leave() });
            let waits = spawn(wait(Arc::clone(&bulkhead), Arc::clone(&lifecycle)));
            leave.await.expect("leaving does not panic");
            // Time stands still, so whoever comes takes nothing from the sleeper; its own end does.
            drop(asleep);
            assert!(waits.await.expect("waiting does not panic"));
            assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
            assert_eq!(bulkhead.enter(), Entry::Entered);
        });
    });
}

/// The place comes free while the process stops: nobody hangs, and the place is not lost.
pub fn a_place_that_comes_free_meanwhile_is_not_lost() {
    explore(|| {
        block_on(async {
            let bulkhead = Arc::new(Bulkhead::new(&BulkheadSpec { queue: 4, ..BulkheadSpec::new(1) }, 0));
            let lifecycle = Arc::new(Lifecycle::default());
            assert_eq!(bulkhead.enter(), Entry::Entered);
            let (leaves, stops) = (Arc::clone(&bulkhead), Arc::clone(&lifecycle));
            let leave = spawn(async move { leaves.leave() });
            let stop = spawn(async move { stops.stop_waiting() });
            together((0..3).map(|_| wait(Arc::clone(&bulkhead), Arc::clone(&lifecycle)))).await;
            leave.await.expect("leaving does not panic");
            stop.await.expect("stopping does not panic");
            assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
            assert_eq!(bulkhead.enter(), Entry::Entered);
        });
    });
}

//! Typed events of the policies, for alerts and tests of one's own: see [`subscribe`].
//!
//! Policies publish what is slow or rare already (a retry, a refusal, a change of a circuit) and what a cache answers. Without
//! a subscriber that is one look at a counter. Publishing never waits: each subscriber has a queue of its own with a bound,
//! which loses the oldest event when it is full and counts it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;

use crate::Rejected;
pub use crate::policy::cache::Request as CacheResult;
pub use crate::policy::circuit_breaker::CircuitState;
pub use crate::policy::idempotency::Fate as IdempotencyResult;
pub use crate::telemetry::calls::RetryReason;

/// Events that a subscriber of [`subscribe`] may leave unread.
const CAPACITY: usize = 1024;

/// Something that a policy did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it happened.
    pub at: Instant,
    /// The call, as metrics name it; of a circuit that `policy!` declares, the circuit.
    pub call: &'static str,
    /// What happened.
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A circuit changed its state.
    CircuitChanged {
        /// The state before.
        from: CircuitState,
        /// The state now.
        to: CircuitState,
    },
    /// An attempt begins that repeats one before.
    Retried {
        /// The number of the attempt that begins; 2 for the first repetition.
        attempt: u32,
        /// Why the one before is repeated.
        reason: RetryReason,
        /// The backoff between the two.
        delay: Duration,
    },
    /// A policy refused the call, or cut it: what its caller or its fallback gets.
    Refused(Rejected),
    /// The fallback answers in place of the body.
    FellBack {
        /// Why.
        reason: FallbackReason,
    },
    /// An execution begins beside those that run already.
    Hedged {
        /// Its number; 2 for the first one beside the original.
        execution: u32,
    },
    /// The cache was asked.
    Cache(CacheResult),
    /// The store of idempotency keys was asked.
    Idempotency(IdempotencyResult),
}

/// Why a fallback answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FallbackReason {
    /// The body failed with an error of its own.
    Failed,
    /// A policy refused the call, or cut it.
    Refused(Rejected),
}

/// Events from now on, at most 1024 of them unread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use hardening_runtime::events::{self, Kind};
///
/// let mut events = events::subscribe();
/// tokio::spawn(async move {
///     while let Some(event) = events.next().await {
///         if let Kind::CircuitChanged { to, .. } = event.kind {
///             println!("{}: {to:?}", event.call);
///         }
///     }
/// });
/// # }
/// ```
pub fn subscribe() -> Events {
    subscribe_with_capacity(CAPACITY)
}

/// Events from now on, at most `capacity` of them unread; one for a capacity of 0.
pub fn subscribe_with_capacity(capacity: usize) -> Events {
    let queue = Arc::new(Queue { capacity: capacity.max(1), state: Mutex::default() });
    let mut subscribers = SUBSCRIBERS.write().unwrap_or_else(PoisonError::into_inner);
    subscribers.push(Arc::clone(&queue));
    COUNT.store(subscribers.len(), Ordering::Release);
    Events { queue }
}

/// A subscription. It is a [`Stream`] that never ends; dropping it ends the subscription.
#[derive(Debug)]
#[must_use = "events are kept for it alone"]
pub struct Events {
    queue: Arc<Queue>,
}

impl Events {
    /// The next event, once there is one. It is safe to drop the future before: no event is lost by that.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.queue.lock().events.pop_front()
    }

    /// How many events were lost since the subscription began, because too many were unread.
    pub fn lost(&self) -> u64 {
        self.queue.lock().lost
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.queue.lock();
        if let Some(event) = state.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut subscribers = SUBSCRIBERS.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        COUNT.store(subscribers.len(), Ordering::Release);
    }
}

/// How many there are: looked at before anything else.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static SUBSCRIBERS: RwLock<Vec<Arc<Queue>>> = RwLock::new(Vec::new());

#[derive(Debug)]
struct Queue {
    capacity: usize,
    state: Mutex<Unread>,
}

#[derive(Debug, Default)]
struct Unread {
    events: VecDeque<Event>,
    lost: u64,
    waker: Option<Waker>,
}

impl Queue {
    /// The state is whole at every moment, so a panic elsewhere cannot have left it half-written.
    fn lock(&self) -> MutexGuard<'_, Unread> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        let waker = {
            let mut state = self.lock();
            if state.events.len() == self.capacity {
                state.events.pop_front();
                state.lost += 1;
            }
            state.events.push_back(event);
            state.waker.take()
        };
        // Not under the lock: a waker is its owner's code.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Publishes what `kind` makes, if anybody listens.
#[inline(always)]
pub(crate) fn publish(call: &'static str, kind: impl FnOnce() -> Kind) {
    if COUNT.load(Ordering::Relaxed) != 0 {
        send(call, kind());
    }
}

/// Publishes a change of a circuit.
pub(crate) fn circuit_changed(circuit: &'static str, from: CircuitState, to: CircuitState) {
    publish(circuit, || Kind::CircuitChanged { from, to });
}

#[cold]
fn send(call: &'static str, kind: Kind) {
    let event = Event { at: Instant::now(), call, kind };
    // Not under the lock: a subscriber that is woken may run any code, and end its subscription.
    let queues = SUBSCRIBERS.read().unwrap_or_else(PoisonError::into_inner).clone();
    for queue in queues {
        queue.push(event.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hedged(call: &'static str, execution: u32) {
        publish(call, || Kind::Hedged { execution });
    }

    /// The events of these calls; tests of other policies may publish at the same time.
    fn of(events: &mut Events, calls: &[&str]) -> Vec<(&'static str, u32)> {
        let mut found = Vec::new();
        while let Some(event) = events.try_next() {
            if let (Kind::Hedged { execution }, true) = (event.kind, calls.contains(&event.call)) {
                found.push((event.call, execution));
            }
        }
        found
    }

    #[test]
    fn each_subscriber_gets_what_happens_while_it_is_there() {
        hedged("early", 1);
        let (mut first, mut second) = (subscribe(), subscribe());
        hedged("both", 2);
        hedged("both", 3);
        assert_eq!(of(&mut first, &["early", "both"]), [("both", 2), ("both", 3)]);
        drop(first);
        hedged("both", 4);
        assert_eq!(of(&mut second, &["early", "both"]), [("both", 2), ("both", 3), ("both", 4)]);
        assert_eq!(second.lost(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_full_queue_loses_the_oldest_and_counts() {
        // Others publish while this runs, so the bound is what can be asserted.
        let mut events = subscribe_with_capacity(2);
        for execution in 0..5 {
            hedged("many", execution);
        }
        assert!(events.lost() >= 3);
        assert!(of(&mut events, &["many"]).len() <= 2);
        let mut smallest = subscribe_with_capacity(0);
        hedged("many", 9);
        assert!(smallest.try_next().is_some() && smallest.try_next().is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_waits_is_woken_and_an_abandoned_wait_loses_nothing() {
        let mut events = subscribe();
        {
            let mut next = std::pin::pin!(events.next());
            let mut cx = Context::from_waker(Waker::noop());
            // Another test's event may be there already; then this waits for nothing.
            let _ = next.as_mut().poll(&mut cx);
        }
        let waiting = tokio::spawn(async move {
            loop {
                let event = events.next().await.expect("it never ends");
                if event.call == "woken" {
                    return event.kind;
                }
            }
        });
        tokio::task::yield_now().await;
        hedged("woken", 7);
        assert_eq!(waiting.await.unwrap(), Kind::Hedged { execution: 7 });
    }

    /// Ends its subscription when it is woken.
    struct Leaves(Mutex<Option<Events>>);

    impl std::task::Wake for Leaves {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }

    #[test]
    fn a_subscriber_may_leave_while_it_is_woken() {
        let leaves = Arc::new(Leaves(Mutex::new(Some(subscribe()))));
        let waker = Waker::from(Arc::clone(&leaves));
        while let Some(events) = &mut *leaves.0.lock().unwrap() {
            if Pin::new(events).poll_next(&mut Context::from_waker(&waker)).is_pending() {
                break;
            }
        }
        let (over, is_over) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            hedged("leaves", 2);
            over.send(()).unwrap();
        });
        is_over.recv_timeout(Duration::from_secs(20)).expect("publishing waits for nobody");
        assert!(leaves.0.lock().unwrap().is_none());
    }
}

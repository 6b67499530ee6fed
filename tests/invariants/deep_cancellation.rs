//! A call of a stack with keys, results that are kept, and executions side by side, dropped wherever it stood.

use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use hardening::{
    CircuitState, Rejected, bulkhead, cache, cached, circuit_breaker, circuit_of, deadline, fallback, hedged,
    idempotent, rate_limited, timeout,
};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use crate::support::{metric, ms, poll_once};

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Error {
    Failed,
    #[serde(skip)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[derive(Clone, Copy, Debug)]
struct Body {
    yields: u32,
    sleeps: u64,
    fails: bool,
}

const QUICK: Body = Body { yields: 0, sleeps: 0, fails: false };
const NAME: &str = "deep_cancellation::deep_stack";

/// Bodies that run.
static RUNNING: AtomicI32 = AtomicI32::new(0);

struct Running;

impl Running {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

#[idempotent(key = request, fingerprint = ())]
#[fallback(Ok(0))]
#[deadline(5s)]
#[rate_limited(1/10ms, burst = 1, key = key, wait = 1s)]
#[cached(ttl = 50ms, jitter = 0%, key = key, negative = Error::Failed for 10ms)]
#[circuit_breaker(window = 10000, min_calls = 10000, open_for = 1s, probes = 1, key = key)]
#[hedged(after = 10ms, budget = 100%, idempotent)]
#[rate_limited(1/5ms, burst = 2, key = key, wait = 1s, per = attempt)]
#[timeout(50ms)]
#[bulkhead(adaptive, min = 2, initial = 2, max = 2, queue = 1, key = key)]
async fn deep_stack(request: u32, key: u8, body: Body) -> Result<u32, Error> {
    let _running = Running::new();
    for _ in 0..body.yields {
        yield_now().await;
    }
    if body.sleeps > 0 {
        sleep(ms(body.sleeps)).await;
    }
    if body.fails { Err(Error::Failed) } else { Ok(1) }
}

/// A request that was never sent before.
fn new_request() -> u32 {
    static REQUESTS: AtomicU32 = AtomicU32::new(0);
    REQUESTS.fetch_add(1, Ordering::SeqCst)
}

/// Everything that a call of `key` can hold is there again, and its request may be sent again.
async fn nothing_is_held(request: u32, key: u8, at: &str) {
    assert_eq!(RUNNING.load(Ordering::SeqCst), 0, "bodies run on, {at}");
    assert_eq!(metric(&format!("hardening_in_flight{{call=\"{NAME}\"}}")), 0, "in flight, {at}");
    assert_eq!(metric(&format!("hardening_queue_depth{{call=\"{NAME}\"}}")), 0, "in the queue, {at}");
    // Limits have flowed off by then, and nothing is kept; the place, the probe's slot and the load must be free at once.
    advance(ms(300)).await;
    let mut next = Box::pin(deep_stack(request, key, QUICK));
    let first = poll_once(&mut next).await;
    assert!(matches!(first, Some(Ok(0 | 1))), "the same request, {at}: {first:?}");
    drop(next);
    cache(NAME).unwrap().clear();
    advance(ms(300)).await;
    let mut next = Box::pin(deep_stack(new_request(), key, QUICK));
    assert_eq!(poll_once(&mut next).await, Some(Ok(1)), "another request, {at}");
    assert_eq!(circuit_of(NAME, &key).unwrap().state(), CircuitState::Closed, "{at}");
    cache(NAME).unwrap().clear();
    advance(ms(300)).await;
}

/// Every number of polls at which a call can be dropped, until it ends by itself; answers how many there are.
async fn at_every_poll(what: &str, key: u8, body: Body, prepare: impl AsyncFn()) -> usize {
    for polls in 0..1000 {
        prepare().await;
        let (request, at) = (new_request(), format!("{what}, after {polls} polls"));
        let mut call = Box::pin(deep_stack(request, key, body));
        let mut over = false;
        for _ in 0..polls {
            over = poll_once(&mut call).await.is_some();
            if over {
                break;
            }
            advance(ms(4)).await;
        }
        drop(call);
        circuit_of(NAME, &key).unwrap().close();
        nothing_is_held(request, key, &at).await;
        if over {
            return polls;
        }
    }
    panic!("{what}: never over")
}

#[tokio::test(start_paused = true)]
async fn i_01_dropped_at_every_poll_with_keys_kept_results_and_hedges_and_i_59_others_have_theirs() {
    let key = 1;
    let circuit = circuit_of(NAME, &key).unwrap();
    let bodies = [
        ("at once", QUICK),
        ("yielding", Body { yields: 5, ..QUICK }),
        ("sleeping", Body { sleeps: 30, ..QUICK }),
        ("failing", Body { yields: 2, sleeps: 6, fails: true }),
        ("timing out", Body { sleeps: 80, ..QUICK }),
    ];
    let points = Cell::new(0);
    for (what, body) in bodies {
        let alone = at_every_poll(what, key, body, async || {}).await;
        let limited = at_every_poll(&format!("{what}, limited"), key, body, async || {
            let mut before = Box::pin(deep_stack(new_request(), key, QUICK));
            assert_eq!(poll_once(&mut before).await, Some(Ok(1)));
            cache(NAME).unwrap().clear();
        })
        .await;
        let probing = at_every_poll(&format!("{what}, probing"), key, body, async || {
            circuit.open_for(ms(1));
            advance(ms(2)).await;
            assert_eq!(circuit.state(), CircuitState::HalfOpen);
        })
        .await;
        points.set(points.get() + alone + limited + probing);
    }
    assert!(points.get() > 80, "only {} places to drop a call at", points.get());
    whoever_is_dropped_the_other_has_its_result(2).await;
}

/// One leads the load and one follows; either is dropped after any number of polls, and the other has its result.
async fn whoever_is_dropped_the_other_has_its_result(key: u8) {
    let body = Body { yields: 3, sleeps: 30, fails: false };
    for first_is_dropped in [true, false] {
        for polls in 0..12 {
            let at = format!("the first: {first_is_dropped}, after {polls} polls");
            let mut calls = [(); 2].map(|()| Some(Box::pin(deep_stack(new_request(), key, body))));
            let mut answers = [None, None];
            for turn in 0..200 {
                if turn == polls {
                    calls[usize::from(!first_is_dropped)] = None;
                }
                for (call, answer) in calls.iter_mut().zip(&mut answers) {
                    if let Some(running) = call
                        && let Some(result) = poll_once(running).await
                    {
                        (*answer, *call) = (Some(result), None);
                    }
                }
                advance(ms(4)).await;
            }
            assert_eq!(answers[usize::from(first_is_dropped)], Some(Ok(1)), "{at}");
            nothing_is_held(new_request(), key, &at).await;
        }
    }
}

//! A call that is dropped gives everything back, wherever it stood.

use std::cell::Cell;

use hardening::{
    Circuit, CircuitState, bulkhead, circuit_breaker, deadline, fallback, rate_limited, retry, timeout,
};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use crate::support::{Error, metric, ms, poll_once};

#[derive(Clone, Copy, Debug)]
struct Body {
    yields: u32,
    sleeps: u64,
    fails: bool,
}

const QUICK: Body = Body { yields: 0, sleeps: 0, fails: false };

async fn run(body: Body) -> Result<(), Error> {
    for _ in 0..body.yields {
        yield_now().await;
    }
    if body.sleeps > 0 {
        sleep(ms(body.sleeps)).await;
    }
    if body.fails { Err(Error::Failed) } else { Ok(()) }
}

async fn answer(body: Body) -> Result<(), Error> {
    run(Body { fails: false, ..body }).await
}

#[fallback(answer(body).await)]
#[deadline(5s)]
#[rate_limited(1/10ms, burst = 1, wait = 1s)]
#[retry(attempts = 3, backoff = 10ms, jitter = none, budget = none, idempotent)]
#[circuit_breaker(window = 10000, min_calls = 10000, open_for = 1s, probes = 1)]
#[rate_limited(1/10ms, burst = 2, wait = 1s, per = attempt)]
#[timeout(50ms)]
#[bulkhead(max = 1, queue = 1)]
async fn full_stack(body: Body) -> Result<(), Error> {
    run(body).await
}

const NAME: &str = "cancellation::full_stack";

/// Everything that a call can hold is there again.
async fn nothing_is_held(circuit: Circuit, at: &str) {
    assert_eq!(metric(&format!("hardening_in_flight{{call=\"{NAME}\"}}")), 0, "in flight, {at}");
    assert_eq!(metric(&format!("hardening_queue_depth{{call=\"{NAME}\"}}")), 0, "in the queue, {at}");
    // Limits have flowed off by then; the place, the probe's slot and the queue must be free at once.
    advance(ms(200)).await;
    let mut next = Box::pin(full_stack(QUICK));
    assert_eq!(poll_once(&mut next).await, Some(Ok(())), "the next call, {at}");
    assert_eq!(circuit.state(), CircuitState::Closed, "{at}");
}

/// Polls a call `polls` times, letting time pass in between, and drops it; true if it was over before.
async fn dropped_after(polls: usize, body: Body, step: u64) -> bool {
    let mut call = Box::pin(full_stack(body));
    for _ in 0..polls {
        if poll_once(&mut call).await.is_some() {
            return true;
        }
        advance(ms(step)).await;
    }
    false
}

/// Every number of polls at which a call can be dropped, until it ends by itself; answers how many there are.
async fn at_every_poll(what: &str, body: Body, prepare: impl AsyncFn()) -> usize {
    let circuit = hardening::circuit(NAME).unwrap();
    for polls in 0..1000 {
        prepare().await;
        let over = dropped_after(polls, body, 5).await;
        circuit.close();
        nothing_is_held(circuit, &format!("{what}, after {polls} polls")).await;
        if over {
            return polls;
        }
    }
    panic!("{what}: never over")
}

#[tokio::test(start_paused = true)]
async fn i_01_dropped_at_every_poll_in_a_full_stack() {
    let circuit = hardening::circuit(NAME).unwrap();
    let bodies = [
        ("at once", QUICK),
        ("yielding", Body { yields: 5, ..QUICK }),
        ("sleeping", Body { sleeps: 30, ..QUICK }),
        ("failing", Body { yields: 2, sleeps: 10, fails: true }),
        ("timing out", Body { sleeps: 80, ..QUICK }),
    ];
    let points = Cell::new(0);
    for (what, body) in bodies {
        let alone = at_every_poll(what, body, async || {}).await;
        // Behind another call that has just used the limit.
        let limited = at_every_poll(&format!("{what}, limited"), body, async || {
            advance(ms(200)).await;
            assert_eq!(poll_once(&mut Box::pin(full_stack(QUICK))).await, Some(Ok(())));
        })
        .await;
        // As the probe of a circuit whose open period is over.
        let probing = at_every_poll(&format!("{what}, probing"), body, async || {
            circuit.open_for(ms(1));
            advance(ms(2)).await;
            assert_eq!(circuit.state(), CircuitState::HalfOpen);
        })
        .await;
        points.set(points.get() + alone + limited + probing);
    }
    assert!(points.get() > 100, "only {} places to drop a call at", points.get());
}

/// A probe that is dropped frees its slot for the next call, at every poll.
#[tokio::test(start_paused = true)]
async fn i_01_a_dropped_probe_leaves_its_slot() {
    let circuit = hardening::circuit("cancellation::probed").unwrap();
    for polls in 0..20 {
        circuit.open_for(ms(1));
        advance(ms(2)).await;
        let mut probe = Box::pin(probed(Body { yields: 10, ..QUICK }));
        let mut over = false;
        for _ in 0..polls {
            over |= !over && poll_once(&mut probe).await.is_some();
        }
        if !over {
            let mut other = Box::pin(probed(QUICK));
            let refused = matches!(poll_once(&mut other).await, Some(Err(Error::Rejected(_))));
            assert_eq!(refused, polls > 0, "one probe at a time, after {polls} polls");
            circuit.open_for(ms(1));
            advance(ms(2)).await;
        }
        drop(probe);
        assert_eq!(poll_once(&mut Box::pin(probed(QUICK))).await, Some(Ok(())), "after {polls} polls");
        assert_eq!(circuit.state(), CircuitState::Closed, "after {polls} polls");
    }
}

#[circuit_breaker(window = 10000, min_calls = 10000, open_for = 1s, probes = 1)]
async fn probed(body: Body) -> Result<(), Error> {
    run(body).await
}

#[bulkhead(max = 1, queue = 2)]
async fn queued(body: Body) -> Result<(), Error> {
    run(body).await
}

/// The holder and two waiters, dropped in every order, each after any number of polls.
#[tokio::test(start_paused = true)]
async fn i_01_dropped_around_a_queue_in_every_order() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        for polls in 1..4 {
            let mut calls: Vec<_> =
                (0..3).map(|_| Some(Box::pin(queued(Body { sleeps: 1000, ..QUICK })))).collect();
            for call in calls.iter_mut().flatten() {
                assert_eq!(poll_once(call).await, None);
            }
            assert!(matches!(poll_once(&mut Box::pin(queued(QUICK))).await, Some(Err(Error::Rejected(_)))));
            for at in order {
                for call in calls.iter_mut().flatten() {
                    for _ in 0..polls {
                        assert_eq!(poll_once(call).await, None);
                    }
                }
                calls[at] = None;
            }
            assert_eq!(metric("hardening_in_flight{call=\"cancellation::queued\"}"), 0, "{order:?}");
            assert_eq!(metric("hardening_queue_depth{call=\"cancellation::queued\"}"), 0, "{order:?}");
            let mut next = Box::pin(queued(QUICK));
            assert_eq!(poll_once(&mut next).await, Some(Ok(())), "{order:?} after {polls} polls");
        }
    }
}

//! Neighbours of sections 4, 5 and 8: the same promises when threads really run side by side.

use std::sync::Arc;
use std::time::Duration;

use hardening::{CircuitState, bulkhead, circuit_breaker, hardened};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use crate::support::{Answer, Error, Reply, Script, check, circuit, guarded, metric, said};

/// Calls of each of a few tasks.
const CALLS: u32 = 10_000;

macro_rules! hammer {
    ($call:path) => {{
        let tasks: Vec<_> = (0..4)
            .map(|task: u32| {
                tokio::spawn(async move {
                    for number in 0..CALLS {
                        let _ = $call((task + number) % 4 == 0).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }};
}

macro_rules! failing {
    ($($name:ident($($keys:tt)*);)+) => {$(
        #[circuit_breaker($($keys)*, open_for = 1h)]
        async fn $name(fails: bool) -> Answer {
            if fails { Err(Error::F) } else { Ok(Reply::Good) }
        }
    )+};
}

failing! {
    one(failure_rate = 100%, window = 1, min_calls = 1, ignore = Error::F);
    three(failure_rate = 100%, window = 3, min_calls = 3, ignore = Error::F);
    hundred(failure_rate = 90%, window = 100, min_calls = 50);
    timed(failure_rate = 90%, window = 1h, min_calls = 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cbk_01_windows_count_every_outcome_once() {
    hammer!(one);
    check("window of 1", circuit("concurrent::one").window(), (1, 0, 0));
    hammer!(three);
    check("window of 3", circuit("concurrent::three").window(), (3, 0, 0));
    hammer!(hundred);
    let (calls, failed, _) = circuit("concurrent::hundred").window();
    check("window of 100", (calls, circuit("concurrent::hundred").state()), (100, CircuitState::Closed));
    assert!((10..=40).contains(&failed), "window of 100: about a quarter failed, not {failed}");
    hammer!(timed);
    check("window of an hour", circuit("concurrent::timed").window(), (40_000, 10_000, 0));
    check("window of an hour", circuit("concurrent::timed").state(), CircuitState::Closed);
}

#[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 1h, probes = 3)]
async fn probed(gate: Arc<Semaphore>) -> Answer {
    match gate.acquire().await {
        Ok(_) => Ok(Reply::Good),
        Err(_) => Err(Error::F),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hop_21_as_many_probes_as_were_written_among_many_threads() {
    let circuit = circuit("concurrent::probed");
    for _ in 0..50 {
        circuit.open_for(Duration::from_hours(1));
        assert_eq!(circuit.half_open(), Ok(()), "HOP-21");
        let gate = Arc::new(Semaphore::new(0));
        let mut calls = JoinSet::new();
        for _ in 0..64 {
            calls.spawn(probed(Arc::clone(&gate)));
        }
        for _ in 0..61 {
            let out = calls.join_next().await.unwrap().unwrap();
            check("HOP-21 no place", said(&out), "Open");
        }
        check("HOP-21", (calls.len(), circuit.state()), (3, CircuitState::HalfOpen));
        gate.add_permits(3);
        while let Some(out) = calls.join_next().await {
            check("HOP-21 the probes", said(&out.unwrap()), "S");
        }
        check("HOP-21", circuit.state(), CircuitState::Closed);
    }
    check("HOP-21", circuit.transitions(CircuitState::HalfOpen, CircuitState::Closed), 50);
}

guarded! {
    #[hardened(name = "concurrent-bulkhead")]
    #[bulkhead(max = 5, queue = 50)]
    pressed;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blk_07_never_more_than_its_places_among_many_threads() {
    let body = Script::new("S F S(1) S F(2)");
    let mut calls = JoinSet::new();
    for number in 0..4000 {
        let call = calls.spawn(pressed(body.clone()));
        if number % 3 == 0 {
            yield_now().await;
            call.abort();
        }
    }
    while calls.join_next().await.is_some() {}
    assert!((1..=5).contains(&body.most_inside()), "BLK-07: {} at once", body.most_inside());
    check(
        "BLK-07 nothing leaks",
        (body.inside(), metric("hardening_in_flight{call=\"concurrent-bulkhead\"}")),
        (0, 0),
    );
    check("BLK-07 nobody waits", metric("hardening_queue_depth{call=\"concurrent-bulkhead\"}"), 0);
    let mut again = JoinSet::new();
    let gate = Script::new("S(20)");
    for _ in 0..55 {
        again.spawn(pressed(gate.clone()));
    }
    while let Some(out) = again.join_next().await {
        check("BLK-07 every place is free again", said(&out.unwrap()), "S");
    }
}

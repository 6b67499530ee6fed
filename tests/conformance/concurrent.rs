//! Neighbours of sections 4, 5 and 8: the same promises when threads really run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{CircuitState, bulkhead, circuit_breaker, hardened};
use tokio::sync::Semaphore;

use crate::support::{Answer, Error, Reply, Script, check, circuit, end, guarded, metric, said};

/// Calls of each of a few tasks.
const CALLS: u32 = 20_000;

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
    check("window of an hour", circuit("concurrent::timed").window(), (80_000, 20_000, 0));
    check("window of an hour", circuit("concurrent::timed").state(), CircuitState::Closed);
}

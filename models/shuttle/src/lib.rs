//! The asynchronous state machines under shuttle: the very files of the runtime, compiled with shuttle's atomics and locks,
//! and run under thousands of schedules of a few tasks, some of which are cancelled half-way.
//!
//! What stands still here: settings (`tunable` keeps std's atomics), the clock, and jitter. What tokio's channels,
//! semaphores and notifications do happens in one step. The site is not compiled here: `hedge.rs` and `flight.rs` make calls as
//! the site does, by a few lines of their own.

// The policies' own unit tests belong to the runtime's atomics.
#![cfg(not(test))]
#![allow(unexpected_cfgs, reason = "features of the runtime that are off here")]
#![allow(clippy::missing_panics_doc, reason = "panicking is how a check fails")]

pub mod drain;
pub mod flight;
pub mod hedge;
pub mod probes;

use shuttle::future::{JoinHandle, spawn, yield_now};

mod sync {
    pub(crate) use shuttle::sync::atomic;
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use shuttle::thread;
}

/// Nobody subscribes here.
mod events {
    pub(crate) fn circuit_changed<S>(_: &'static str, _: S, _: S) {}
}

#[allow(unreachable_pub, reason = "it is public in `cores`")]
#[path = "../../clock.rs"]
mod clock;

#[allow(dead_code, unreachable_pub, reason = "a model needs less than the runtime")]
#[path = "../../../hardening-runtime/src/lifecycle.rs"]
mod lifecycle;
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    clippy::trivially_copy_pass_by_ref,
    reason = "a model needs less than the runtime"
)]
mod policy;
#[allow(dead_code, reason = "a model needs less than the runtime")]
#[path = "../../../hardening-runtime/src/tunable.rs"]
mod tunable;

/// Runs `check` under as many random schedules, and as many of those that change seldom and at the worst moments.
fn explore(check: impl Fn() + Send + Sync + Clone + 'static) {
    const SCHEDULES: usize = 1_000;
    shuttle::check_random(check.clone(), SCHEDULES);
    shuttle::check_pct(check, SCHEDULES, 3);
}

/// Runs a task for a few turns, and drops it where it stands then; `None` if it had not ended.
async fn cancel<T: Send + 'static>(task: JoinHandle<T>, turns: u32) -> Option<T> {
    for _ in 0..turns {
        yield_now().await;
    }
    task.abort();
    task.await.ok()
}

/// All of them, to their ends.
async fn together<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(spawn).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("no task panics"));
    }
    outcomes
}

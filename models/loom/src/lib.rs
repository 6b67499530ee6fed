//! The atomic state machines under loom: the very files of the runtime, compiled with loom's atomics and locks, and run
//! under every interleaving of a few threads in which they lose their turn at most so often as the check says.
//!
//! What stands still here: settings (`tunable` keeps std's atomics), the clock, and jitter. A permit of tokio's
//! semaphore is taken and given back in one step.

// The policies' own unit tests belong to the runtime's atomics.
#![cfg(not(test))]
#![allow(unexpected_cfgs, reason = "features of the runtime that are off here")]
#![allow(clippy::missing_panics_doc, reason = "panicking is how a check fails")]

pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod limiter;
pub mod throttle;

mod sync {
    pub(crate) use loom::sync::atomic;
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use loom::thread;
}

/// Nobody subscribes here.
mod events {
    pub(crate) fn circuit_changed<S>(_: &'static str, _: S, _: S) {}
}

#[allow(unreachable_pub, reason = "it is public in `cores`")]
#[path = "../../clock.rs"]
mod clock;

#[allow(dead_code)]
#[path = "../../../hardening-runtime/src/tunable.rs"]
mod tunable;

#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    clippy::trivially_copy_pass_by_ref,
    reason = "a model needs less than the runtime"
)]
mod policy;

/// Runs `check` under every interleaving in which threads lose their turn at most `preemptions` times.
fn explore(preemptions: usize, check: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 20_000;
    model.check(check);
}

/// What one thread does.
type Action<T> = Box<dyn FnOnce() -> T + Send>;

/// The outcomes of as many threads as there are actions.
fn together<T: Send + 'static, const N: usize>(actions: [Action<T>; N]) -> [T; N] {
    let threads = actions.map(loom::thread::spawn);
    threads.map(|thread| thread.join().expect("no action panics"))
}

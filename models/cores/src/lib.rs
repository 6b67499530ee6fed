//! The policies' state machines without anything around them: the very files of the runtime.
//!
//! They compile in a moment here, which makes it possible to test them against hundreds of mutants
//! (`cargo xtask mutants`).

#![allow(unexpected_cfgs, reason = "features of the runtime that are off here")]

mod sync {
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::thread;
}

/// Nobody subscribes here.
mod events {
    pub(crate) fn circuit_changed<S>(_: &'static str, _: S, _: S) {}
}

#[path = "../../clock.rs"]
pub mod clock;

#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    clippy::pedantic,
    reason = "the runtime uses what is not used here"
)]
pub mod policy;
#[allow(dead_code, reason = "the runtime uses what is not used here")]
#[path = "../../../hardening-runtime/src/tunable.rs"]
mod tunable;

// The invariants once more, beside the unit tests: one thing to build for each mutant.
#[cfg(test)]
extern crate self as hardening_cores;
#[cfg(test)]
#[path = "../tests/invariants/main.rs"]
mod invariants;

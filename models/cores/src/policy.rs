//! The runtime's files.

/// Nobody calls here.
pub(crate) mod account {
    pub(crate) const fn current() -> Option<super::keyed::Owner> {
        None
    }
}

#[path = "../../../hardening-runtime/src/policy/budget.rs"]
pub mod budget;
#[path = "../../../hardening-runtime/src/policy/bulkhead/mod.rs"]
pub mod bulkhead;
#[path = "../../../hardening-runtime/src/policy/circuit_breaker/mod.rs"]
pub mod circuit_breaker;
#[path = "../../../hardening-runtime/src/policy/hedge/mod.rs"]
pub mod hedge;
#[path = "../../../hardening-runtime/src/policy/keyed/mod.rs"]
pub mod keyed;
#[path = "../../../hardening-runtime/src/policy/rate_limit/mod.rs"]
pub mod rate_limit;
#[path = "../../../hardening-runtime/src/policy/retry/mod.rs"]
pub mod retry;
#[path = "../../../hardening-runtime/src/policy/throttle.rs"]
pub mod throttle;

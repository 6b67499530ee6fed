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
#[path = "../../../hardening-runtime/src/policy/keyed/mod.rs"]
pub mod keyed;
#[path = "../../../hardening-runtime/src/policy/rate_limit/mod.rs"]
pub mod rate_limit;
#[path = "../../../hardening-runtime/src/policy/throttle.rs"]
pub mod throttle;

pub mod retry {
    /// Jitter stands still.
    pub(crate) const fn random() -> f64 {
        0.5
    }
}

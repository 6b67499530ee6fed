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

/// The cache without the registry of its stores.
pub mod cache {
    pub use super::flight::{Failure, Follower, Landing, Leader};
    pub use super::mark::{Edge, Mark};
    pub use super::store::{Found, Kept, Store};
    pub use super::times::{Age, Times};
}

#[path = "../../../hardening-runtime/src/policy/cache/flight.rs"]
mod flight;
#[path = "../../../hardening-runtime/src/policy/cache/mark.rs"]
mod mark;
#[path = "../../../hardening-runtime/src/policy/cache/pause.rs"]
mod pause;
#[path = "../../../hardening-runtime/src/policy/cache/store.rs"]
mod store;
#[path = "../../../hardening-runtime/src/policy/cache/times.rs"]
mod times;
use mark::Mark;
use pause::Pause;
#[path = "../../../hardening-runtime/src/policy/cache/weighed.rs"]
mod weighed;
use times::{Age, Times};

pub mod retry {
    /// Jitter stands still.
    pub(crate) const fn random() -> f64 {
        0.5
    }
}

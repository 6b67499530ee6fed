//! The runtime's files.

#[path = "../../../hardening-runtime/src/policy/budget.rs"]
pub mod budget;
#[path = "../../../hardening-runtime/src/policy/bulkhead/mod.rs"]
pub mod bulkhead;
#[path = "../../../hardening-runtime/src/policy/circuit_breaker/mod.rs"]
pub mod circuit_breaker;
#[path = "../../../hardening-runtime/src/policy/hedge/mod.rs"]
pub mod hedge;
#[path = "../../../hardening-runtime/src/policy/keyed.rs"]
pub mod keyed;
#[path = "../../../hardening-runtime/src/policy/rate_limit/mod.rs"]
pub mod rate_limit;
#[path = "../../../hardening-runtime/src/policy/retry/mod.rs"]
pub mod retry;
#[path = "../../../hardening-runtime/src/policy/throttle.rs"]
pub mod throttle;

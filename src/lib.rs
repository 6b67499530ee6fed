//! Attributes that make plain async functions fit for production.

pub use hardening_runtime::Rejected;
pub use hardening_runtime::catalogue::circuit;
pub use hardening_runtime::policy::circuit_breaker::{Circuit, CircuitState};

#[doc(hidden)]
pub use hardening_runtime::__private;

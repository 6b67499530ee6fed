//! Attributes that make plain async functions fit for production.

pub use hardening_macros::{
    bulkhead, circuit_breaker, deadline, fallback, hardened, hardened_service, health_check, rate_limited, retry,
    timeout,
};
pub use hardening_runtime::catalogue::{UnknownCircuit, circuit};
pub use hardening_runtime::policy::circuit_breaker::{Circuit, CircuitState, IllegalTransition};
#[cfg(feature = "service")]
pub use hardening_runtime::service::{
    BoxError, FieldError, IntoApp, Json, Problem, Report, Result, Running, Service, Setup, StartError,
};
pub use hardening_runtime::{Rejected, catalogue, context, telemetry};

#[cfg(feature = "service")]
pub use hardening_runtime::settings;

#[doc(hidden)]
pub use hardening_runtime::__private;

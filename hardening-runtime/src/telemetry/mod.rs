//! Logs, metrics, traces and alerts.

#[cfg(feature = "alerts")]
pub(crate) mod alerts;
#[cfg(all(feature = "service", not(feature = "alerts")))]
#[path = "no_alerts.rs"]
pub(crate) mod alerts;
pub mod calls;
#[cfg(any(feature = "http-client", feature = "otlp"))]
pub(crate) mod conventions;
#[cfg(feature = "service")]
pub(crate) mod escape;
#[cfg(feature = "service")]
pub(crate) mod facade;
#[cfg(feature = "service")]
pub(crate) mod held;
pub mod histogram;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub(crate) mod log;
#[cfg(feature = "service")]
pub(crate) mod recent;
#[cfg(feature = "service")]
pub(crate) mod recorded;
pub mod redact;
#[cfg(feature = "service")]
pub(crate) mod runtime;
pub mod text;
#[cfg(all(feature = "service", not(feature = "otlp")))]
#[path = "no_otlp.rs"]
pub(crate) mod traces;
#[cfg(feature = "otlp")]
pub(crate) mod traces;

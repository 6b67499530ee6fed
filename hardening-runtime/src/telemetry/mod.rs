//! Logs, metrics and traces.

pub mod calls;
#[cfg(feature = "service")]
pub(crate) mod facade;
#[cfg(feature = "service")]
mod fields;
pub mod histogram;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub(crate) mod log;
pub mod text;
#[cfg(all(feature = "service", not(feature = "otlp")))]
#[path = "no_otlp.rs"]
pub(crate) mod traces;
#[cfg(feature = "otlp")]
pub(crate) mod traces;

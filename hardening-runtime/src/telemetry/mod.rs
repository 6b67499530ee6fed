//! Logs and metrics.

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
#[cfg(feature = "service")]
pub(crate) mod recent;
pub mod text;

//! Logs and metrics.

pub mod calls;
pub mod histogram;
pub mod text;

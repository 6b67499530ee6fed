//! The policies. Each knows its own state and nothing of the others; `site` puts them in order.

pub(crate) mod account;
pub mod budget;
pub mod bulkhead;
pub mod cache;
pub mod circuit_breaker;
pub mod hedge;
pub mod idempotency;
pub(crate) mod keyed;
pub mod rate_limit;
pub mod retry;
pub mod shared;
pub mod throttle;

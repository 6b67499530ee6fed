//! The policies through the attributes, on paused time.

mod cached;
mod hedged;
#[cfg(feature = "service")]
mod idempotent;
mod requires;
mod shared;
mod smoke;

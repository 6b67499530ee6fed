//! The policies through the attributes, on paused time.

mod breakers;
mod cached;
mod corners;
mod hedged;
#[cfg(feature = "service")]
mod idempotent;
#[cfg(feature = "tower")]
mod layers;
mod leases;
mod requires;
#[cfg(feature = "tower")]
mod reserving;
mod shared;
mod smoke;
mod timerless;
mod unfinished;

//! The policies through the attributes, on paused time.

mod cached;
mod hedged;
mod requires;
mod smoke;

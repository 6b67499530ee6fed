//! The policies through the attributes, on paused time.

mod cached;
mod requires;
mod smoke;

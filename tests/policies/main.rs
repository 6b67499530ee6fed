//! The policies through the attributes, on paused time.

mod requires;
mod smoke;

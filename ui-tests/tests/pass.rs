//! Accepted.

//! What threads share. A policy names it through here, so that the model checkers of `models/`, which compile the very
//! same files, put their own in its place.

pub(crate) use std::sync::atomic;
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread;

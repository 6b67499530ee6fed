//! What always holds, checked over many random sequences; a test is named by the number of its invariant where that has one.

mod support;

mod breaker;
mod breaker_model;
mod budget;
mod bulkhead;
mod bulkhead_watch;
mod hedge;
mod keys;
mod rate_limit;
mod retry;
mod throttle;
mod window;

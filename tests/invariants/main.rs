//! What always holds for whole calls; every test is named by the number of its invariant. Those of single policies are in
//! `models/cores`.

mod support;

mod breaker;
mod cancellation;
mod deadline;
mod deep_cancellation;
mod rate_limit;
mod refusals;
mod retry;
mod series;

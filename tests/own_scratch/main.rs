#![allow(dead_code, missing_docs)]
#[path = "../conformance/support.rs"]
mod support;
#[path = "../conformance/cancellation.rs"]
mod cancellation;
#[path = "../conformance/definitions.rs"]
mod definitions;
#[path = "../conformance/fallback.rs"]
mod fallback;
#[path = "../conformance/metrics.rs"]
mod metrics;
#[path = "../conformance/rate_limit.rs"]
mod rate_limit;
#[path = "../conformance/scope.rs"]
mod scope;

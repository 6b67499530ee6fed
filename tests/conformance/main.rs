//! The behaviour that resilience libraries agree on, case by case, through the attributes on paused time.
//!
//! Every test is named by the id of its case. Cases that do not apply here are in `docs/conformance.md`, what was
//! chosen where libraries disagree in `docs/decisions.md`.

mod kinds;
mod support;

mod breaker;
mod bulkhead;
mod cancellation;
mod combined;
mod concurrent;
mod configuration;
mod definitions;
mod fallback;
mod gaps;
mod half_open;
mod metrics;
mod rate_limit;
mod retry;
mod retry_time;
mod scope;
mod settings;
mod timeout;
mod window;

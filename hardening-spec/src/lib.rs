//! What the attributes of `hardening` mean, as plain values.
//!
//! The macro crate reads attributes into a [`CallSpec`] at compile time; the runtime reads
//! `hardening.toml` and the environment into the same [`CallSpec`] at start-up. The forms of a value
//! ([`units`]), the names of the keys ([`keys`]) and the rules between policies ([`rules`]) therefore
//! stand here, once, in a crate without dependencies.

mod build;
mod circuit;
mod fallback;
pub mod keys;
pub mod rules;
pub mod settings;
mod spec;
pub mod suggest;
pub mod synonyms;
pub mod units;
mod values;

pub use circuit::{CircuitBreakerSpec, CircuitMode, ThrottleSpec, Window};
pub use fallback::{FallbackSpec, Refusals};
pub use spec::{
    AdaptiveSpec, After, BulkheadSpec, CacheSpec, CallSpec, HedgeSpec, IdempotentSpec, MAX_RATE_LIMITS,
    OnTakeover, Per, RateLimitSpec, RetrySpec,
};
pub use values::{DurationRange, Jitter, Rate, Ratio};

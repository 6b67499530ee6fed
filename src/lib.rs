//! Attributes that make plain async functions fit for production.
//!
//! ```
//! use hardening::{circuit_breaker, fallback, retry, timeout};
//!
//! #[fallback(Ok(1_000))]
//! #[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 2s)]
//! #[retry(attempts = 3, backoff = 20ms..200ms, idempotent)]
//! #[timeout(200ms)]
//! async fn price(sku: &str) -> Result<u32, hardening::Rejected> {
//!     Ok(sku.len() as u32)
//! }
//! ```
//!
//! An attribute stands on an `async fn`. Those that can refuse, cut or repeat a call need `-> Result<T, E>` with
//! `E: From<`[`Rejected`]`>`: `Rejected` itself, an enum of your own, `std::io::Error`, `anyhow::Error`, `Box<dyn Error + Send + Sync>`,
//! `StatusCode` and [others](guide::order#the-error-type). The written order never matters: [one order](guide::order) holds for all, and
//! [the expansion](guide::expansion) is code that one can read.
//!
//! Arguments are written as they are read: `250ms`, `50%`, `100/s`, `50ms..2s`. A duration may also be a constant, a pattern is
//! a Rust pattern over the body's result, a key an expression over the arguments.
//!
//! The attributes find this crate under another name in `Cargo.toml` by themselves. A package that reaches it only through a crate that
//! re-exports it writes `crate = path` in one attribute of each function, such as
//! `#[timeout(1s, crate = company::hardening)]`: [how](guide::expansion#another-name-for-the-crate).
//!
//! Chains of annotated functions that await each other may be 14 deep at the compiler's default `recursion_limit`; a longer one needs
//! `#![recursion_limit = "256"]` at the crate's root: [the figures](guide::expansion#how-deep-calls-may-be-nested).
//!
//! # Features
//!
//! `service`, on by default, is the server of [`hardened_service`], with health, metrics over HTTP, settings and
//! HTTP answers for refusals. Without it the policies are all there but [`idempotent`](macro@idempotent), which keeps answers as HTTP
//! responses or JSON, and no HTTP server is built.
//!
//! `tls` has the service's listener speak TLS: [how](guide::tls). `grpc` has it answer gRPC beside HTTP: [how](guide::grpc).
//!
//! `tower`, part of `service`, puts the policies around tower services and sends deadlines on: [`layer`].
//!
//! `http-client` is [`http`], a client that keeps to the deadline and says whose request it carries; with `tls` it speaks
//! https.
//!
//! `otlp` exports [traces](guide::traces), `alerts` tells webhooks of [errors](guide::alerts)
//! and of error budgets that are spent too fast.
//!
//! `testing`, for `[dev-dependencies]`, injects faults, records what happens, and drills every promise:
//! `drills!()`.

#[doc = concat!(include_str!("links.md"), include_str!("../docs/background.md"))]
#[doc(inline)]
pub use hardening_macros::background;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/bulkhead.md"))]
#[doc(inline)]
pub use hardening_macros::bulkhead;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/cached.md"))]
#[doc(inline)]
pub use hardening_macros::cached;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/circuit_breaker.md"))]
#[doc(inline)]
pub use hardening_macros::circuit_breaker;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/deadline.md"))]
#[doc(inline)]
pub use hardening_macros::deadline;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/fallback.md"))]
#[doc(inline)]
pub use hardening_macros::fallback;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/hardened.md"))]
#[doc(inline)]
pub use hardening_macros::hardened;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/hardened_service.md"))]
#[doc(inline)]
pub use hardening_macros::hardened_service;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/health_check.md"))]
#[doc(inline)]
pub use hardening_macros::health_check;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/hedged.md"))]
#[doc(inline)]
pub use hardening_macros::hedged;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/idempotent.md"))]
#[doc(inline)]
pub use hardening_macros::idempotent;
#[cfg(feature = "tower")]
#[doc = concat!(include_str!("links.md"), include_str!("../docs/policies.md"))]
#[doc(inline)]
pub use hardening_macros::policies;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/policy.md"))]
#[doc(inline)]
pub use hardening_macros::policy;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/rate_limited.md"))]
#[doc(inline)]
pub use hardening_macros::rate_limited;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/requires.md"))]
#[doc(inline)]
pub use hardening_macros::requires;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/retry.md"))]
#[doc(inline)]
pub use hardening_macros::retry;
#[doc = concat!(include_str!("links.md"), include_str!("../docs/timeout.md"))]
#[doc(inline)]
pub use hardening_macros::timeout;

pub use hardening_runtime::catalogue::{UnknownCall, cache, circuit, circuit_of};
pub use hardening_runtime::policy::cache::Cache;
pub use hardening_runtime::policy::circuit_breaker::{Circuit, CircuitState, IllegalTransition};
#[cfg(feature = "service")]
pub use hardening_runtime::secret::{Secret, SecretError, SecretHandle, SecretProvider};
#[cfg(feature = "service")]
pub use hardening_runtime::service::{
    BoxError, FieldError, IntoApp, Json, PoolState, PoolWaits, Priority, Problem, Report, Result, Running,
    Service, Setup, StartError, Stopping,
};
pub use hardening_runtime::{ByteSize, CacheKey, Rejected, catalogue, context, events, telemetry};

/// The rules that types carry, for [`Valid`]: `#[derive(garde::Validate)]`.
#[cfg(feature = "validation")]
pub use hardening_runtime::garde;
#[cfg(feature = "validation")]
pub use hardening_runtime::service::input::Valid;
#[cfg(feature = "service")]
pub use hardening_runtime::service::input::{Form, Path, Query};
#[cfg(feature = "service")]
pub use hardening_runtime::settings;
#[cfg(feature = "service")]
pub use hardening_runtime::settings::RouteLimits;

#[cfg(feature = "http-client")]
pub use hardening_runtime::connect::http;
#[cfg(feature = "tower")]
pub use hardening_runtime::layer;
#[cfg(feature = "testing")]
pub use hardening_runtime::testing;

/// Drills every call in the binary: each promise of its attributes, kept or broken, with the line of the source.
///
/// One line in a test. The test fails when a promise is broken; what was kept is printed. See
/// [`testing::drill`] for what a drill is and is not.
///
/// ```no_run
/// #[test]
/// fn policies_keep_their_promises() {
///     hardening::drills!();
/// }
/// ```
#[cfg(feature = "testing")]
#[macro_export]
macro_rules! drills {
    () => {
        $crate::testing::drill().assert()
    };
}

#[doc(hidden)]
pub use hardening_runtime::__private;

/// What does not belong to one attribute alone: the order, expansions, configuration, operations.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/order.md"))]
    pub mod order {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/expansion.md"))]
    pub mod expansion {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/configuration.md"))]
    pub mod configuration {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/operations.md"))]
    pub mod operations {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/events.md"))]
    pub mod events {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/secrets.md"))]
    pub mod secrets {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/tls.md"))]
    pub mod tls {}
    // Its examples need what only the tests of the service have, which compile them.
    #[cfg(not(doctest))]
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/grpc.md"))]
    pub mod grpc {}
    // So do these: WebSockets.
    #[cfg(not(doctest))]
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/axum.md"))]
    pub mod axum {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/transport.md"))]
    pub mod transport {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/proxies.md"))]
    pub mod proxies {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/limits.md"))]
    pub mod limits {}
    #[cfg(feature = "http-client")]
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/http_client.md"))]
    pub mod http_client {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/identity.md"))]
    pub mod identity {}
    #[cfg(feature = "validation")]
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/input.md"))]
    pub mod input {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/traces.md"))]
    pub mod traces {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/alerts.md"))]
    pub mod alerts {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/console.md"))]
    pub mod console {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/security.md"))]
    pub mod security {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/decisions.md"))]
    pub mod decisions {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/conformance.md"))]
    pub mod conformance {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/performance.md"))]
    pub mod performance {}
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/metastability.md"))]
    pub mod metastability {}
    #[cfg(feature = "testing")]
    #[doc = concat!(include_str!("links.md"), include_str!("../docs/testing.md"))]
    pub mod testing {}
}

/// The examples of the first page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

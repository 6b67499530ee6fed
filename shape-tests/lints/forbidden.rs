//! A crate that forbids what an expansion might be tempted to allow.
//!
//! Not forbidden is `non_upper_case_globals`, and with it `nonstandard_style` and `warnings`: `inventory::submit!` allows it.

#![forbid(
    future_incompatible,
    keyword_idents,
    let_underscore,
    rust_2018_idioms,
    unused,
    unsafe_code,
    dead_code,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    impl_trait_redundant_captures,
    irrefutable_let_patterns,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    redundant_imports,
    redundant_lifetimes,
    redundant_semicolons,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_code,
    unreachable_patterns,
    unreachable_pub,
    unused_assignments,
    unused_braces,
    unused_import_braces,
    unused_imports,
    unused_lifetimes,
    unused_macros,
    unused_must_use,
    unused_mut,
    unused_parens,
    unused_qualifications,
    unused_results,
    unused_variables,
    variant_size_differences
)]
#![forbid(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::as_conversions,
    clippy::default_numeric_fallback,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::items_after_statements,
    clippy::let_underscore_must_use,
    clippy::let_underscore_untyped,
    clippy::manual_async_fn,
    clippy::needless_pass_by_value,
    clippy::needless_return,
    clippy::panic,
    clippy::redundant_closure_call,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::shadow_unrelated,
    clippy::unreachable,
    clippy::unused_async,
    clippy::unwrap_used,
    clippy::upper_case_acronyms
)]

use axum::Router;
use hardening::context::Principal;
use hardening::{
    BoxError, Rejected, Setup, Stopping, background, bulkhead, cached, circuit_breaker, deadline, fallback,
    hardened, hardened_service, health_check, hedged, idempotent, policies, policy, rate_limited, requires, retry,
    timeout,
};

policy! {
    /// Everything that asks the primary store.
    pub static REDIS: CircuitBreaker = { failure_rate = 50%, window = 10s, open_for = 5s..60s };
    /// What the provider allows.
    pub static PROVIDER: RateLimiter = { rate = 100/s, burst = 20, keyed };
    /// Repeated attempts of all.
    pub static RETRIES: RetryBudget = { ratio = 10% };
    /// Executions of all.
    pub static PLACES: Bulkhead = { max = 10 };
}

policies! {
    /// What every request to the inventory goes through.
    pub static INVENTORY = { timeout = 500ms, deadline = 2s, circuit_breaker(failure_rate = 50%, window = 10s) };
}

/// An argument.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Its lines.
    pub lines: Vec<String>,
}

/// # Errors
/// Under every policy that goes with a retry.
#[fallback(known(&sku).await, within = 50ms)]
#[deadline(5s)]
#[rate_limited(PROVIDER, key = sku)]
#[idempotent(key = sku, fingerprint = amount)]
#[cached(ttl = 1m, key = (sku, amount))]
#[retry(attempts = 2, backoff = 1ms..20ms, idempotent, budget = RETRIES)]
#[circuit_breaker(REDIS)]
#[timeout(1s)]
#[bulkhead(PLACES)]
#[requires("stock:read")]
#[hardened(name = "stock", span_fields(sku, amount), level = debug)]
pub async fn stock(sku: String, mut amount: u32) -> Result<u32, Rejected> {
    pause().await;
    amount = amount.saturating_add(1);
    if sku.is_empty() { Err(Rejected::ShuttingDown) } else { Ok(amount) }
}

async fn known(sku: &str) -> Result<u32, Rejected> {
    pause().await;
    if sku.is_empty() { Err(Rejected::ShuttingDown) } else { Ok(0) }
}

/// # Errors
/// The body's own.
#[hedged(after = p95, idempotent)]
#[timeout(1s)]
pub async fn raced(sku: &str, Order { id, mut lines }: Order) -> Result<u64, Rejected> {
    pause().await;
    lines.push(sku.to_owned());
    if lines.is_empty() { Err(Rejected::ShuttingDown) } else { Ok(id) }
}

/// # Errors
/// The body's own.
#[cached(ttl = 30s, key = sku, stale_while_revalidate = 1m, negative = Err(Rejected::ShuttingDown) for 1s)]
pub async fn kept(sku: String, mut shelf: u32) -> Result<u32, Rejected> {
    pause().await;
    shelf = shelf.saturating_add(1);
    if sku.is_empty() { Err(Rejected::ShuttingDown) } else { Ok(shelf) }
}

/// Observed alone.
#[hardened]
pub async fn watched(sku: &str) -> usize {
    pause().await;
    sku.len()
}

/// # Errors
/// Observed, with a type that may be a `Result` under another name.
#[hardened]
pub async fn watched_alias(sku: &str) -> Answer {
    pause().await;
    if sku.is_empty() { Err(Rejected::ShuttingDown) } else { Ok(1) }
}

/// A result under another name.
pub type Answer = Result<u32, Rejected>;

/// A receiver.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    name: String,
    left: u32,
}

impl Shelf {
    /// # Errors
    /// The body's own.
    #[retry(idempotent)]
    #[timeout(1s)]
    pub async fn owned(mut self) -> Result<u32, Rejected> {
        pause().await;
        self.left = self.left.saturating_add(1);
        if self.left == 0 { Err(Rejected::ShuttingDown) } else { Ok(self.left) }
    }

    /// # Errors
    /// The body's own.
    #[bulkhead(max = 3)]
    #[circuit_breaker(ignore = Rejected::ShuttingDown)]
    pub async fn exclusive(&mut self, by: u32) -> Result<u32, Rejected> {
        pause().await;
        self.left = self.left.saturating_add(by);
        if self.left == 0 { Err(Rejected::ShuttingDown) } else { Ok(self.left) }
    }
}

#[health_check(every = 5s, timeout = 1s)]
async fn store(shelf: &Shelf) -> Result<(), BoxError> {
    pause().await;
    if shelf.name.is_empty() { Err("none".into()) } else { Ok(()) }
}

#[background(restart = 1s..60s)]
async fn relay(shelf: &Shelf, stop: Stopping) -> Result<(), BoxError> {
    stop.requested().await;
    if shelf.left > 1 { Err("none".into()) } else { Ok(()) }
}

/// The service.
#[hardened_service(name = "forbidding")]
pub async fn service(setup: &mut Setup) -> hardening::Result<Router> {
    pause().await;
    setup.provide(Shelf::default());
    Ok(Router::new())
}

/// Without a set-up.
#[hardened_service(name = "forbidding_too")]
pub async fn service_at_once() -> Router {
    pause().await;
    Router::new()
}

/// A caller.
#[must_use]
pub fn caller() -> Principal {
    Principal::new("caller").with_scope("stock:read")
}

async fn pause() {
    tokio::task::yield_now().await;
}

//! Callers who deny what most allow.

#![deny(
    warnings,
    keyword_idents,
    let_underscore,
    nonstandard_style,
    rust_2018_idioms,
    unused,
    clippy::all,
    clippy::cargo,
    clippy::nursery,
    clippy::pedantic,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    impl_trait_redundant_captures,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::as_conversions,
    clippy::default_numeric_fallback,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::missing_assert_message,
    clippy::panic,
    clippy::str_to_string,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]
#![allow(clippy::cargo_common_metadata, clippy::multiple_crate_versions)]
#![forbid(unsafe_code)]

use hardening::context::{Principal, as_principal};
use hardening::{
    Rejected, bulkhead, cached, circuit_breaker, deadline, fallback, hardened, hedged, idempotent,
    rate_limited, requires, retry, timeout,
};

use crate::error::{Error, pause};

/// Under everything.
#[fallback(known(sku, error).await, on_rejected = (timeout, circuit_open), within = 50ms)]
#[deadline(5s)]
#[rate_limited(100/s, burst = 20, key = sku.clone(), cost = amount)]
#[retry(attempts = 2, backoff = 1ms..20ms, on = Error::Busy { .. }, idempotent)]
#[circuit_breaker(ignore = Error::NotFound)]
#[timeout(1s)]
#[bulkhead(max = 10, queue = 5)]
#[hardened(name = "strict::stock", span_fields(sku, amount), level = debug)]
async fn stock(sku: String, mut amount: u32, seen: &mut Vec<u32>) -> Result<u32, Error> {
    pause().await;
    amount = amount.saturating_add(1);
    seen.push(amount);
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(amount) }
}

async fn known(sku: String, error: &Error) -> Result<u32, Error> {
    pause().await;
    if sku.is_empty() && *error == Error::NotFound { Ok(0) } else { Err(error.clone()) }
}

/// Observed.
#[hardened]
async fn watched(sku: &str) -> usize {
    pause().await;
    sku.len()
}

/// Looked for first, and loaded anew behind its caller's back.
#[requires("stock:read")]
#[cached(ttl = 30s, key = (shelf, sku), stale_while_revalidate = 1m)]
#[fallback(Ok(sku.len().try_into().unwrap_or(0)))]
#[timeout(1s)]
async fn kept(shelf: u32, mut sku: String) -> Result<u32, Error> {
    pause().await;
    sku.push('!');
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(shelf) }
}

/// Kept, repeated.
#[cached(ttl = 30s, key = sku)]
#[retry(idempotent)]
async fn kept_again(sku: &str) -> Result<String, Error> {
    pause().await;
    Ok(sku.to_owned())
}

/// Side by side.
#[hedged(after = p95, idempotent)]
#[circuit_breaker]
async fn raced(sku: &str, amount: String) -> Result<String, Error> {
    pause().await;
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(amount) }
}

/// Once.
#[idempotent(key = sku, fingerprint = (sku, amount))]
#[deadline(1s)]
async fn placed(sku: &str, amount: u32) -> Result<u32, Rejected> {
    pause().await;
    if sku.is_empty() { Err(Rejected::ShuttingDown) } else { Ok(amount) }
}

struct Shelf {
    left: u32,
}

impl Shelf {
    #[retry(idempotent)]
    async fn left(&self) -> Result<u32, Error> {
        pause().await;
        Ok(self.left)
    }

    #[cached(ttl = 1m, key = self.left)]
    async fn kept_here(&self) -> Result<u32, Error> {
        pause().await;
        Ok(self.left)
    }

    #[hedged(after = 10ms, idempotent)]
    async fn raced_here(&self) -> Result<u32, Error> {
        pause().await;
        Ok(self.left)
    }

    #[idempotent(instances = shared)]
    async fn once(self) -> Result<u32, Rejected> {
        pause().await;
        Ok(self.left)
    }

    #[timeout(1s)]
    async fn borrowed<'a>(&self, sku: &'a str) -> Result<&'a str, Error> {
        pause().await;
        if self.left == 0 { Err(Error::NotFound) } else { Ok(sku) }
    }
}

#[tokio::test(start_paused = true)]
async fn no_lint_speaks_of_an_expansion() {
    let mut seen = Vec::new();
    assert_eq!(stock("a".to_owned(), 1, &mut seen).await, Ok(2), "answers");
    assert_eq!(stock(String::new(), 1, &mut seen).await, Ok(0), "falls back");
    assert_eq!(watched("ab").await, 2, "answers");
    let reader = Principal::new("reader").with_scope("stock:read");
    assert_eq!(as_principal(reader, kept(1, "a".to_owned())).await, Ok(1), "answers");
    assert_eq!(kept_again("a").await, Ok("a".to_owned()), "answers");
    assert_eq!(raced("a", "b".to_owned()).await, Ok("b".to_owned()), "answers");
    assert_eq!((placed("a", 1).await, placed("a", 1).await), (Ok(1), Ok(1)), "answers");
    let shelf = Shelf { left: 2 };
    assert_eq!(shelf.left().await, Ok(2), "answers");
    assert_eq!((shelf.kept_here().await, shelf.raced_here().await), (Ok(2), Ok(2)), "answers");
    assert_eq!(shelf.borrowed("a").await, Ok("a"), "answers");
    assert_eq!(shelf.once().await, Err(Rejected::IdempotencyKeyMissing), "asks for a key");
}

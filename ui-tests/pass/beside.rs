//! Other attributes on the same function, above, between and below ours.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use hardening::{bulkhead, hardened, retry, timeout};

use crate::error::{Error, pause};

/// Above.
#[tracing::instrument(skip_all, fields(sku = %sku))]
#[timeout(1s)]
/// Between.
#[retry(idempotent)]
#[must_use = "a price is asked for to be used"]
#[inline]
async fn instrumented_above(sku: String) -> Result<usize, Error> {
    pause().await;
    Ok(sku.len())
}

#[timeout(1s)]
#[tracing::instrument(skip_all, ret, err(Debug))]
#[retry(idempotent)]
async fn instrumented_between(sku: String) -> Result<usize, Error> {
    pause().await;
    Ok(sku.len())
}

#[hardened]
#[tracing::instrument]
async fn instrumented_below(sku: &str) -> Result<usize, Error> {
    pause().await;
    Ok(sku.len())
}

#[cfg(test)]
#[cfg_attr(test, timeout(1s))]
#[allow(clippy::unused_async)]
#[doc(hidden)]
#[bulkhead(max = 3)]
async fn configured() -> Result<u32, Error> {
    Ok(1)
}

#[cfg_attr(not(test), no_such_attribute)]
#[timeout(1s)]
#[cfg_attr(not(test), retry(idempotent))]
async fn configured_away() -> Result<u32, Error> {
    pause().await;
    Ok(2)
}

#[timeout(1s)]
#[cfg(not(test))]
async fn left_out() -> Result<Missing, Missing> {}

#[allow(dead_code)]
#[expect(clippy::cast_possible_truncation)]
#[timeout(1s)]
#[deprecated = "ask `configured`"]
async fn old(sku: String) -> Result<u8, Error> {
    pause().await;
    Ok(sku.len() as u8)
}

#[timeout(1s)]
#[tokio::test(start_paused = true)]
async fn a_test_under_a_timeout() -> Result<(), Error> {
    assert_eq!(instrumented_above("a".into()).await?, 1);
    assert_eq!(instrumented_between("ab".into()).await?, 2);
    assert_eq!(instrumented_below("abc").await?, 3);
    assert_eq!(configured().await?, 1);
    assert_eq!(configured_away().await?, 2);
    Ok(())
}

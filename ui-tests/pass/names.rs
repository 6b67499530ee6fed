//! Names that an expansion uses too.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use hardening::{fallback, rate_limited, retry, timeout};

use crate::error::{Error, pause};

#[retry(
    idempotent,
    backoff = 1ms,
    on = Error::Busy { seconds } if *seconds == u64::from(call + outcome + settled + verdict),
    retry_after = Some(std::time::Duration::from_secs(u64::from(charges + result)))
)]
#[rate_limited(100/s, key = (call, outcome), cost = settled)]
#[fallback(Ok(call + outcome + settled + verdict + charges + result + anchor + this + wanted))]
#[allow(clippy::too_many_arguments)]
async fn locals(
    call: u32,
    outcome: u32,
    settled: u32,
    verdict: u32,
    charges: u32,
    result: u32,
    anchor: u32,
    this: u32,
    wanted: u32,
) -> Result<u32, Error> {
    pause().await;
    let seconds = u64::from(call + outcome + settled + verdict + charges + result + anchor + this + wanted);
    Err(Error::Busy { seconds })
}

const SITE: u32 = 11;

#[timeout(1s)]
async fn a_static_of_that_name() -> Result<u32, Error> {
    const SITE_: u32 = 12;
    pause().await;
    Ok(SITE + SITE_)
}

#[timeout(1s)]
async fn a_function_of_that_name(error: u32) -> Result<u32, Error> {
    #[allow(non_snake_case)]
    fn SITE() -> u32 {
        1
    }
    pause().await;
    Ok(SITE() + error)
}

#[retry(idempotent, retry_after = { let _ = outcome.is_ok(); after(error) })]
#[fallback(if matches!(error, Error::NotFound) { Ok(sku.len()) } else { Err(error.clone()) })]
async fn given_names(sku: &str) -> Result<usize, Error> {
    pause().await;
    Err(Error::NotFound)
}

fn after(error: &Error) -> Option<std::time::Duration> {
    match error {
        Error::Busy { seconds } => Some(std::time::Duration::from_secs(*seconds)),
        _ => None,
    }
}

#[fallback(Ok(u32::from(error == &Error::NotFound)))]
async fn an_argument_named_error(error: u32) -> Result<u32, Error> {
    pause().await;
    if error == 0 { Err(Error::NotFound) } else { Ok(error) }
}

#[rate_limited(100/s, key = tenant)]
async fn an_argument_named_like_a_context_key(tenant: &str) -> Result<usize, Error> {
    pause().await;
    Ok(tenant.len())
}

/// Named like an attribute.
#[hardening::timeout(1s)]
async fn timeout_(retry: u32, bulkhead: &str) -> Result<u32, Error> {
    pause().await;
    let timeout = retry;
    Ok(timeout + u32::from(bulkhead.is_empty()))
}

#[tokio::test(start_paused = true)]
async fn nothing_collides() {
    assert_eq!(locals(1, 2, 1, 4, 5, 6, 7, 8, 9).await, Ok(43));
    assert_eq!(a_static_of_that_name().await, Ok(23));
    assert_eq!(a_function_of_that_name(1).await, Ok(2));
    assert_eq!(given_names("abc").await, Ok(3));
    assert_eq!(an_argument_named_error(0).await, Ok(1));
    assert_eq!(an_argument_named_error(7).await, Ok(7));
    assert_eq!(an_argument_named_like_a_context_key("ab").await, Ok(2));
    assert_eq!(timeout_(1, "").await, Ok(2));
}

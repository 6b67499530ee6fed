//! Every way to name an attribute, and every order.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use crate::error::{Error, pause};

#[hardening::timeout(1s)]
#[hardening::retry(idempotent)]
async fn by_crate() -> Result<u32, Error> {
    pause().await;
    Ok(1)
}

#[::hardening::timeout(1s)]
#[::hardening::retry(idempotent)]
async fn by_absolute_crate() -> Result<u32, Error> {
    pause().await;
    Ok(1)
}

mod imported {
    use crate::error::{Error, pause};
    use hardening::{bulkhead, fallback, retry, timeout};

    #[retry(idempotent)]
    #[::hardening::deadline(2s)]
    #[timeout(1s)]
    #[hardening::hardened(name = "paths::mixed")]
    #[bulkhead(max = 3)]
    #[fallback(Ok(0))]
    pub(super) async fn mixed() -> Result<u32, Error> {
        pause().await;
        Ok(1)
    }
}

mod by_glob {
    use crate::error::{Error, pause};
    use hardening::*;

    #[retry(idempotent)]
    #[timeout(1s)]
    #[rate_limited(100/s)]
    #[rate_limited(50/s, per = attempt)]
    pub(super) async fn everything() -> std::result::Result<u32, Error> {
        pause().await;
        Ok(1)
    }
}

mod outermost_under_another_name {
    use crate::error::{Error, pause};
    use hardening::{retry, timeout as cut};

    #[cut(1s)]
    #[retry(idempotent)]
    pub(super) async fn renamed() -> Result<u32, Error> {
        pause().await;
        Ok(1)
    }
}

mod all_in_one {
    use crate::error::{Error, pause};
    use hardening::hardened;

    #[hardened(
        name = "paths::all_in_one",
        level = debug,
        fallback(Ok(0), within = 100ms),
        deadline = 2s,
        rate_limited(100/s),
        retry(idempotent, attempts = 2,),
        circuit_breaker,
        timeout(1s),
        bulkhead(max = 2),
    )]
    pub(super) async fn one() -> Result<u32, Error> {
        pause().await;
        Ok(1)
    }
}

#[tokio::test(start_paused = true)]
async fn they_all_take_effect() {
    assert_eq!(by_crate().await, Ok(1));
    assert_eq!(by_absolute_crate().await, Ok(1));
    assert_eq!(imported::mixed().await, Ok(1));
    assert_eq!(by_glob::everything().await, Ok(1));
    assert_eq!(outermost_under_another_name::renamed().await, Ok(1));
    assert_eq!(all_in_one::one().await, Ok(1));
    let renamed = hardening::catalogue::sites().find(|site| site.name().ends_with("::renamed")).unwrap();
    assert!(renamed.declared().timeout.is_some() && renamed.declared().retry.is_some());
}

//! Names of the language and of its library that mean something else here.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use hardening::{bulkhead, circuit_breaker, deadline, fallback, hardened, rate_limited, retry, timeout};

use crate::error::pause;

#[derive(Clone, Debug, PartialEq)]
struct Failed(u32);

impl From<hardening::Rejected> for Failed {
    fn from(_: hardening::Rejected) -> Self {
        Self(429)
    }
}

type Answer<T> = std::result::Result<T, Failed>;

mod prelude_types {
    #![allow(dead_code)]

    use super::{
        Answer, Failed, bulkhead, circuit_breaker, deadline, fallback, hardened, pause, rate_limited, retry,
        timeout,
    };

    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct String;
    pub(super) struct Vec;
    pub(super) struct Box;
    pub(super) struct Duration;
    pub(super) struct Rejected;
    pub(super) struct Ordering;
    pub(super) trait From {}
    pub(super) trait Into {}
    pub(super) trait Clone {}
    pub(super) trait Send {}
    pub(super) trait Future {}
    pub(super) trait Drop {}
    pub(super) trait Default {}
    pub(super) trait ToString {}

    #[fallback(Answer::Ok(error.0), within = 50ms)]
    #[deadline(3s)]
    #[rate_limited(100/s, burst = 5, key = client_ip)]
    #[retry(attempts = 2, backoff = 1ms..2ms, jitter = equal, idempotent, on = Failed(1), not_on = Failed(2))]
    #[circuit_breaker(failure = Failed(3), ignore = Failed(4))]
    #[timeout(1s)]
    #[bulkhead(max = 3)]
    #[hardened(level = trace)]
    pub(super) async fn all(number: u32) -> Answer<u32> {
        pause().await;
        Answer::Err(Failed(number))
    }
}

mod prelude_values {
    #![allow(dead_code, non_snake_case)]

    use super::{Answer, Failed, pause, retry};

    #[derive(Clone)]
    pub(super) struct Some;
    #[derive(Clone)]
    pub(super) struct None;
    pub(super) fn Ok(_: u32) {}
    pub(super) fn Err(_: u32) {}
    pub(super) fn drop(_: u32) {}

    #[retry(idempotent, retry_after = std::option::Option::None, on = Failed(1))]
    pub(super) async fn all(number: u32) -> Answer<u32> {
        pause().await;
        if number > 1 { Answer::Ok(number) } else { Answer::Err(Failed(number)) }
    }
}

mod crates {
    #![allow(dead_code)]

    use super::{Answer, pause, retry, timeout};

    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) mod alloc {}
    pub(super) mod tokio {}
    pub(super) mod hardening {}
    pub(super) mod hardening_runtime {}
    pub(super) mod __private {}

    #[retry(idempotent)]
    #[timeout(1s)]
    pub(super) async fn all(number: u32) -> Answer<u32> {
        pause().await;
        Answer::Ok(number)
    }
}

mod macros {
    use super::{Answer, Failed, pause, retry};

    macro_rules! refuse {
        ($($name:ident)*) => {
            $(
                #[allow(unused_macros)]
                macro_rules! $name {
                    ($d:tt) => { compile_error!("a macro of the caller's was used") };
                }
            )*
        };
    }
    refuse!(matches concat module_path env file line register place);

    #[retry(idempotent, on = Failed(1))]
    pub(super) async fn all(number: u32) -> Answer<u32> {
        pause().await;
        Answer::Ok(number)
    }
}

mod raw {
    use super::{Answer, pause, rate_limited, retry};

    #[derive(Clone)]
    pub(super) struct Row {
        pub(super) r#type: u32,
    }

    #[retry(idempotent)]
    #[rate_limited(100/s, key = r#fn.r#type)]
    pub(super) async fn r#match(r#fn: Row, mut r#loop: u32, (r#as, _): (&mut u32, u32)) -> Answer<u32> {
        r#loop += 1;
        *r#as += r#fn.r#type;
        pause().await;
        Answer::Ok(r#loop + *r#as)
    }
}

#[tokio::test(start_paused = true)]
async fn they_keep_their_own_meaning() {
    assert_eq!(prelude_types::all(3).await, Ok(3));
    assert_eq!(prelude_values::all(2).await, Ok(2));
    assert_eq!(prelude_values::all(0).await, Err(Failed(0)));
    assert_eq!(crates::all(2).await, Ok(2));
    assert_eq!(macros::all(2).await, Ok(2));
    assert_eq!(raw::r#match(raw::Row { r#type: 1 }, 1, (&mut 2, 0)).await, Ok(5));
}

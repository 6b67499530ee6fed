//! What is rarely written.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]
#![allow(clippy::needless_arbitrary_self_type, reason = "the long form has to be understood too")]

use std::borrow::Cow;
use std::fmt::Debug;
use std::future::Future;

use hardening::{fallback, hardened, rate_limited, retry, timeout};

use crate::error::{Error, pause};

#[derive(Clone, Debug)]
struct Cart {
    lines: Vec<&'static str>,
}

impl Cart {
    #[retry(idempotent, backoff = 1ms)]
    async fn described(mut self) -> Result<String, Error> {
        self.lines.push("b");
        pause().await;
        Ok(format!("{:?} {} {{self}}", self, { self.lines.len() }))
    }

    #[retry(idempotent)]
    async fn with_items(self) -> Result<usize, Error> {
        trait Size {
            fn size(&self) -> usize;
        }
        impl Size for Cart {
            fn size(&self) -> usize {
                self.lines.len()
            }
        }
        pause().await;
        let count = || self.lines.len();
        let Self { lines } = &self;
        Ok(self.size() + count() + lines.len() + Self::none().lines.len())
    }

    fn none() -> Self {
        Self { lines: Vec::new() }
    }

    #[retry(idempotent)]
    async fn typed(self: Self, other: &Self) -> Result<usize, Error> {
        pause().await;
        Ok(self.lines.len() + other.lines.len())
    }

    #[timeout(1s)]
    async fn pinned(self: std::pin::Pin<&mut Self>) -> Result<usize, Error> {
        pause().await;
        Ok(self.get_mut().lines.len())
    }

    #[retry(idempotent)]
    async fn exclusive(self: &mut Self) -> Result<usize, Error> {
        pause().await;
        self.lines.push("c");
        Ok(self.lines.len())
    }

    #[retry(idempotent)]
    async fn names(&self, start: &str) -> Result<Vec<&str>, Error> {
        pause().await;
        Ok(self.lines.iter().copied().filter(|line| line.starts_with(start)).collect())
    }
}

mod without_a_prelude {
    #![no_implicit_prelude]

    use crate::error::{Error, pause};
    use ::std::result::Result;

    #[::hardening::fallback(Result::Ok(0), within = 50ms)]
    #[::hardening::deadline(9s)]
    #[::hardening::rate_limited(100/s, key = client_ip)]
    #[::hardening::retry(idempotent, on = Error::NotFound, retry_after = ::std::option::Option::None)]
    #[::hardening::circuit_breaker(ignore = Error::NotFound)]
    #[::hardening::timeout(1s)]
    #[::hardening::bulkhead(max = 3)]
    #[::hardening::hardened(name = "corners::no_prelude", span_fields(number))]
    pub(super) async fn all(number: u32) -> Result<u32, Error> {
        pause().await;
        Result::Ok(number)
    }
}

#[timeout(1s)]
async fn once(first: impl FnOnce() -> u32, then: impl Future<Output = u32>) -> Result<u32, Error> {
    Ok(first() + then.await)
}

#[retry(idempotent)]
async fn higher_ranked<F>(read: F, texts: &[&str]) -> Result<usize, Error>
where
    F: for<'a> Fn(&'a str) -> &'a str + Clone,
{
    pause().await;
    Ok(texts.iter().map(|text| read(text).len()).sum())
}

#[timeout(1s)]
async fn first_of<'list>(list: &'list mut [String]) -> Result<&'list mut String, Error> {
    pause().await;
    list.first_mut().ok_or(Error::NotFound)
}

#[retry(idempotent)]
async fn either(text: &str, upper: bool) -> Result<Cow<'_, str>, Error> {
    pause().await;
    Ok(if upper { text.to_uppercase().into() } else { text.into() })
}

#[timeout(1s)]
async fn boxed(prefix: &str) -> Result<Box<dyn Fn(&str) -> String + Send + '_>, Error> {
    pause().await;
    Ok(Box::new(move |text| format!("{prefix}{text}")))
}

#[timeout(1s)]
async fn adder(by: u32) -> Result<impl Fn(u32) -> u32 + Debug2, Error> {
    pause().await;
    Ok(move |number| number + by)
}

trait Debug2 {}
impl<T> Debug2 for T {}

#[rate_limited(100/s, key = skus.first().cloned().unwrap_or_default(), cost = u32::try_from(skus.len()).unwrap_or(1))]
async fn computed_key(skus: Vec<String>) -> Result<Vec<String>, Error> {
    pause().await;
    Ok(skus)
}

#[fallback(Ok(extra))]
async fn only_the_answer_uses_it(sku: &str, extra: String) -> Result<String, Error> {
    pause().await;
    Err(Error::Busy { seconds: sku.len() as u64 })
}

#[retry(idempotent)]
async fn infallible(sku: &str) -> Result<std::convert::Infallible, Error> {
    pause().await;
    Err(Error::Busy { seconds: sku.len() as u64 })
}

#[hardened]
async fn exclusive_without_a_policy(count: &mut u32, text: String) -> String {
    *count += 1;
    pause().await;
    text
}

#[tokio::test(start_paused = true)]
async fn corners_answer() {
    let cart = Cart { lines: vec!["a"] };
    let shown = "Cart { lines: [\"a\", \"b\"] }";
    assert_eq!(cart.clone().described().await.unwrap(), format!("{shown} 2 {{self}}"));
    assert_eq!(cart.clone().with_items().await, Ok(3));
    assert_eq!(cart.clone().typed(&cart).await, Ok(2));
    assert_eq!(std::pin::Pin::new(&mut cart.clone()).pinned().await, Ok(1));
    assert_eq!(cart.clone().exclusive().await, Ok(2));
    assert_eq!(cart.names("a").await.unwrap(), ["a"]);
    assert_eq!(without_a_prelude::all(3).await, Ok(3));
    assert_eq!(once(|| 1, async { 2 }).await, Ok(3));
    assert_eq!(higher_ranked(str::trim, &[" a ", "b"]).await, Ok(2));
    first_of(&mut ["a".to_owned()]).await.unwrap().push('b');
    assert_eq!(either("a", true).await.unwrap(), "A");
    assert_eq!(boxed("a").await.unwrap()("b"), "ab");
    assert_eq!(adder(1).await.unwrap()(2), 3);
    assert_eq!(computed_key(vec!["a".into()]).await.unwrap().len(), 1);
    assert_eq!(only_the_answer_uses_it("a", "b".into()).await.unwrap(), "b");
    assert!(infallible("a").await.is_err());
    let mut count = 0;
    assert_eq!(exclusive_without_a_policy(&mut count, "a".into()).await, "a");
}

//! Generics, bounds, where clauses, lifetimes and `impl Trait`.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::future::Future;

use hardening::{Rejected, circuit_breaker, hardened, retry, timeout};

use crate::error::{Error, pause};

#[retry(idempotent)]
async fn shown<T: Display + Clone>(value: T) -> Result<String, Error> {
    pause().await;
    Ok(value.to_string())
}

#[timeout(1s)]
async fn bounded<'a, T, E, const N: usize>(values: &'a [T; N]) -> Result<&'a T, E>
where
    T: Debug + Sync,
    E: From<Rejected> + From<Error>,
{
    pause().await;
    values.first().ok_or_else(|| Error::NotFound.into())
}

#[retry(idempotent)]
async fn array<const N: usize>() -> Result<[u8; N], Error> {
    pause().await;
    Ok([1; N])
}

#[circuit_breaker]
async fn borrowed<'a>(first: &'a str, _second: &str) -> Result<Cow<'a, str>, Error> {
    pause().await;
    Ok(Cow::Borrowed(first))
}

#[retry(idempotent)]
async fn impl_argument(values: impl IntoIterator<Item = u32> + Clone) -> Result<u32, Error> {
    pause().await;
    Ok(values.into_iter().sum())
}

#[timeout(1s)]
async fn impl_answer(count: u32) -> Result<impl Iterator<Item = u32>, Error> {
    pause().await;
    Ok((0..count).map(|number| number * 2))
}

#[retry(idempotent)]
async fn impl_inside(sku: &str) -> Result<Option<(impl Display + use<'_>, usize)>, Error> {
    pause().await;
    Ok(Some((sku, sku.len())))
}

#[hardened]
async fn impl_alone(count: u32) -> impl Iterator<Item = u32> {
    pause().await;
    0..count
}

#[retry(idempotent, backoff = 1ms)]
async fn asked<F, Fut>(ask: F) -> Result<u32, Error>
where
    F: Fn(u32) -> Fut,
    Fut: Future<Output = Result<u32, Error>>,
    F: Clone,
{
    ask(2).await
}

#[retry(idempotent)]
async fn asked_async(ask: impl AsyncFn(u32) -> u32 + Clone) -> Result<u32, Error> {
    Ok(ask(2).await)
}

#[timeout(1s)]
async fn asked_dyn(ask: &(dyn Fn(u32) -> u32 + Sync)) -> Result<Box<dyn Display + Send>, Error> {
    pause().await;
    Ok(Box::new(ask(2)))
}

struct Store<T> {
    values: Vec<T>,
}

impl<T: Clone + PartialEq + Debug> Store<T> {
    #[retry(idempotent)]
    async fn find<Q>(&self, wanted: &Q) -> Result<T, Error>
    where
        T: PartialEq<Q>,
        Q: ?Sized,
    {
        pause().await;
        self.values.iter().find(|value| **value == *wanted).cloned().ok_or(Error::NotFound)
    }
}

type Answer<T> = Result<T, Error>;
type Reply = Result<u32, Error>;

#[timeout(1s)]
async fn aliased(number: u32) -> Answer<u32> {
    pause().await;
    Ok(number)
}

#[retry(idempotent)]
async fn alias_without_arguments(number: u32) -> Reply {
    pause().await;
    Ok(number)
}

#[tokio::test(start_paused = true)]
async fn generic_functions_answer() {
    assert_eq!(shown(3).await.unwrap(), "3");
    assert_eq!(bounded::<_, Error, 2>(&[5, 6]).await, Ok(&5));
    assert_eq!(array::<3>().await, Ok([1; 3]));
    assert_eq!(borrowed("a", "b").await.unwrap(), "a");
    assert_eq!(impl_argument([1, 2]).await, Ok(3));
    assert_eq!(impl_answer(3).await.unwrap().collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(impl_alone(3).await.count(), 3);
    let (shown, length) = impl_inside("ab").await.unwrap().unwrap();
    assert_eq!((shown.to_string(), length), ("ab".to_owned(), 2));
    assert_eq!(asked(async |number| Ok(number + 1)).await, Ok(3));
    assert_eq!(asked_async(async |number| number + 1).await, Ok(3));
    assert_eq!(asked_dyn(&|number| number + 1).await.unwrap().to_string(), "3");
    assert_eq!(aliased(1).await, Ok(1));
    assert_eq!(alias_without_arguments(1).await, Ok(1));
    let store = Store { values: vec!["a".to_owned()] };
    assert_eq!(store.find("a").await, Ok("a".to_owned()));
    assert_eq!(store.find("b").await, Err(Error::NotFound));
}

//! Futures stay `Send` where their body is, and may contain themselves.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::error::Error as StdError;
use std::rc::Rc;

use hardening::{
    Rejected, bulkhead, circuit_breaker, deadline, fallback, hardened, rate_limited, retry, timeout,
};

use crate::error::{Error, pause};

fn need_send<T: Send>(future: T) -> T {
    future
}

/// An error that the answer speaks of while it waits.
#[derive(Debug)]
struct Text(String);

impl Text {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Rejected> for Text {
    fn from(rejected: Rejected) -> Self {
        Self(rejected.to_string())
    }
}

/// An error that no other thread may hold.
#[derive(Debug)]
struct Local(Rc<str>);

impl From<Rejected> for Local {
    fn from(rejected: Rejected) -> Self {
        Self(rejected.to_string().into())
    }
}

#[timeout(1s)]
async fn boxed_error(number: u32) -> Result<u32, Box<dyn StdError>> {
    pause().await;
    if number == 0 { Err("none".into()) } else { Ok(number) }
}

#[retry(idempotent, backoff = 1ms)]
#[timeout(1s)]
#[deadline(3s)]
#[circuit_breaker]
#[bulkhead(max = 4)]
#[rate_limited(100/s)]
async fn boxed_error_repeated(number: u32) -> Result<u32, Box<dyn StdError>> {
    pause().await;
    if number == 0 { Err("none".into()) } else { Ok(number) }
}

#[retry(idempotent, on = Err(Local(_)), backoff = 1ms)]
#[circuit_breaker(ignore = Local(text) if text.is_empty())]
async fn judged(number: u32) -> Result<Cell<u32>, Local> {
    pause().await;
    if number == 0 { Err(Local("".into())) } else { Ok(Cell::new(number)) }
}

#[fallback(Ok(0))]
async fn answered(number: u32) -> Result<u32, Box<dyn StdError>> {
    pause().await;
    if number == 0 { Err("none".into()) } else { Ok(number) }
}

#[fallback({ pause().await; Ok(0) }, not_on = Local(text) if text.is_empty())]
#[retry(idempotent, backoff = 1ms)]
async fn answered_later(number: u32) -> Result<u32, Local> {
    pause().await;
    if number == 0 { Err(Local("none".into())) } else { Ok(number) }
}

#[fallback({ pause().await; Ok(Cell::new(u32::from(error.is_empty()))) }, on = text if text.is_empty())]
#[circuit_breaker(ignore = Text(text) if text.is_empty())]
async fn judged_and_answered_later(number: u32) -> Result<Cell<u32>, Text> {
    pause().await;
    if number == 0 { Err(Text(String::new())) } else { Ok(Cell::new(number)) }
}

#[hardened]
async fn observed(number: u32) -> Result<Rc<u32>, Local> {
    pause().await;
    if number == 0 { Err(Local("none".into())) } else { Ok(Rc::new(number)) }
}

#[retry(idempotent, backoff = 1ms)]
async fn owned(text: String, count: &mut u32) -> Result<String, Error> {
    pause().await;
    *count += 1;
    Ok(text)
}

#[hardened]
async fn not_send(shared: Rc<u32>) -> u32 {
    pause().await;
    *shared
}

#[rate_limited(100/s, key = Rc::new(number))]
async fn key_of_another_kind(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

#[retry(idempotent)]
#[timeout(1s)]
async fn depth(left: u32) -> Result<u32, Error> {
    pause().await;
    if left == 0 {
        return Ok(0);
    }
    Ok(Box::pin(depth(left - 1)).await? + 1)
}

#[tokio::test(start_paused = true)]
async fn they_can_be_sent() {
    assert_eq!(need_send(boxed_error(1)).await.unwrap(), 1);
    assert_eq!(need_send(boxed_error(0)).await.unwrap_err().to_string(), "none");
    assert_eq!(need_send(boxed_error_repeated(0)).await.unwrap_err().to_string(), "none");
    assert_eq!(need_send(judged(2)).await.unwrap().get(), 2);
    assert_eq!(need_send(answered(0)).await.unwrap(), 0);
    assert_eq!(need_send(answered_later(0)).await.unwrap(), 0);
    assert_eq!(need_send(judged_and_answered_later(0)).await.unwrap().get(), 1);
    assert_eq!(*need_send(observed(5)).await.unwrap(), 5);
    assert_eq!(&*need_send(observed(0)).await.unwrap_err().0, "none");
    let mut count = 0;
    assert_eq!(need_send(owned("a".into(), &mut count)).await.unwrap(), "a");
    assert_eq!(not_send(Rc::new(4)).await, 4);
    assert_eq!(need_send(key_of_another_kind(4)).await, Ok(4));
    assert_eq!(tokio::spawn(depth(5)).await.unwrap(), Ok(5));
}

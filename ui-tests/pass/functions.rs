//! Free functions and inherent methods, by every kind of receiver.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use hardening::{bulkhead, deadline, hardened, retry, timeout};

use crate::error::{Error, pause};

#[hardened]
async fn nothing() {
    pause().await;
}

#[hardened(level = debug)]
async fn number() -> u32 {
    pause().await;
    3
}

#[hardened]
async fn own_error(sku: &str) -> Result<usize, String> {
    pause().await;
    if sku.is_empty() { Err("no sku".to_owned()) } else { Ok(sku.len()) }
}

#[hardened]
async fn never(stop: tokio::sync::oneshot::Receiver<()>) -> ! {
    let _ = stop.await;
    std::future::pending().await
}

#[timeout(1s)]
#[deadline(3s)]
async fn unit() -> Result<(), Error> {
    pause().await;
    Ok(())
}

#[retry(idempotent, backoff = 1ms)]
#[bulkhead(max = 4)]
async fn diverges(sku: &str) -> Result<u32, Error> {
    pause().await;
    if sku.is_empty() {
        return Err(Error::NotFound);
    }
    let mut left = 3;
    loop {
        pause().await;
        left -= 1;
        if left == 0 {
            break Ok(7);
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Cart {
    lines: Vec<String>,
}

impl Cart {
    #[timeout(1s)]
    async fn empty() -> Result<Self, Error> {
        pause().await;
        Ok(Self { lines: Vec::new() })
    }

    #[retry(idempotent)]
    #[timeout(1s)]
    async fn count(&self) -> Result<usize, Error> {
        pause().await;
        Ok(self.lines.len())
    }

    #[retry(idempotent, backoff = 1ms)]
    async fn add(&mut self, sku: String, needed: usize) -> Result<usize, Error> {
        pause().await;
        self.lines.push(sku);
        if self.lines.len() < needed { Err(Error::NotFound) } else { Ok(self.lines.len()) }
    }

    #[retry(idempotent)]
    async fn into_lines(self) -> Result<Vec<String>, Error> {
        pause().await;
        Ok(self.lines)
    }

    #[retry(idempotent)]
    async fn sorted(mut self) -> Result<Self, Error> {
        pause().await;
        self.lines.sort();
        Ok(self)
    }

    #[timeout(1s)]
    async fn first(&self) -> Result<&str, Error> {
        pause().await;
        self.lines.first().map(String::as_str).ok_or(Error::NotFound)
    }

    #[timeout(1s)]
    async fn last_mut(&mut self) -> Result<&mut String, Error> {
        pause().await;
        self.lines.last_mut().ok_or(Error::NotFound)
    }

    #[retry(idempotent)]
    async fn shared(self: Arc<Self>) -> Result<usize, Error> {
        pause().await;
        Ok(self.lines.len() + Self::EXTRA)
    }

    #[retry(idempotent)]
    async fn counted(self: &Rc<Self>) -> Result<usize, Error> {
        pause().await;
        Ok(Rc::strong_count(self))
    }

    #[retry(idempotent)]
    async fn pinned(self: Pin<&Self>) -> Result<usize, Error> {
        pause().await;
        Ok(self.lines.len())
    }

    #[retry(idempotent)]
    async fn boxed(self: Box<Self>) -> Result<Self, Error> {
        pause().await;
        Ok(*self)
    }

    const EXTRA: usize = 1;
}

#[tokio::test(start_paused = true)]
async fn free_functions_answer() {
    nothing().await;
    assert_eq!(number().await, 3);
    assert_eq!(own_error("").await, Err("no sku".to_owned()));
    assert_eq!(unit().await, Ok(()));
    assert_eq!(diverges("a").await, Ok(7));
    assert_eq!(diverges("").await, Err(Error::NotFound));
    let (_open, stop) = tokio::sync::oneshot::channel();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(1), never(stop)).await;
    assert!(ended.is_err());
}

#[tokio::test(start_paused = true)]
async fn methods_answer() {
    let mut cart = Cart::empty().await.unwrap();
    assert_eq!(cart.first().await, Err(Error::NotFound));
    assert_eq!(cart.add("b".into(), 2).await, Ok(2), "the body ran twice on the same cart");
    assert_eq!(cart.add("a".into(), 1).await, Ok(3));
    cart.last_mut().await.unwrap().push('1');
    assert_eq!(cart.count().await, Ok(3));
    assert_eq!(cart.first().await, Ok("b"));
    let sorted = cart.clone().sorted().await.unwrap();
    assert_eq!(sorted.clone().into_lines().await.unwrap(), ["a1", "b", "b"]);
    assert_eq!(Arc::new(sorted.clone()).shared().await, Ok(4));
    assert_eq!(Rc::new(sorted.clone()).counted().await, Ok(1));
    assert_eq!(Pin::new(&sorted).pinned().await, Ok(3));
    assert_eq!(Box::new(sorted.clone()).boxed().await, Ok(sorted));
}

//! Methods of traits: native asynchronous ones, default bodies, and the form that `#[async_trait]` hands over.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use async_trait::async_trait;
use hardening::{fallback, hardened, retry, timeout};

use crate::error::{Error, pause};

trait Prices {
    async fn price(&self, sku: &str) -> Result<u32, Error>;
    async fn reset(&mut self, to: u32) -> Result<(), Error>;
    async fn close(self) -> Result<u32, Error>;

    #[timeout(1s)]
    async fn doubled(&self, sku: &str) -> Result<u32, Error> {
        Ok(self.price(sku).await? * 2)
    }
}

#[derive(Clone)]
struct Shop {
    price: u32,
}

impl Prices for Shop {
    #[fallback(Ok(1))]
    #[retry(idempotent, backoff = 1ms)]
    async fn price(&self, sku: &str) -> Result<u32, Error> {
        pause().await;
        if sku.is_empty() { Err(Error::NotFound) } else { Ok(self.price) }
    }

    #[retry(idempotent)]
    async fn reset(&mut self, to: u32) -> Result<(), Error> {
        pause().await;
        self.price = to;
        Ok(())
    }

    #[retry(idempotent)]
    async fn close(self) -> Result<u32, Error> {
        pause().await;
        Ok(self.price)
    }
}

#[async_trait]
trait Stock {
    async fn count(&self, sku: String) -> Result<usize, Error>;
    async fn add(&mut self, sku: &str, runs: &mut u32) -> Result<usize, Error>;
    async fn take(self) -> Result<Vec<String>, Error>;
    async fn free() -> Result<u32, Error>;

    #[hardened]
    async fn described(&self) -> String {
        pause().await;
        "stock".to_owned()
    }
}

#[derive(Clone, Default)]
struct Shelf {
    skus: Vec<String>,
}

#[async_trait]
impl Stock for Shelf {
    #[retry(idempotent)]
    #[timeout(1s)]
    async fn count(&self, sku: String) -> Result<usize, Error> {
        pause().await;
        Ok(self.skus.iter().filter(|known| **known == sku).count())
    }

    #[retry(idempotent, backoff = 1ms)]
    async fn add(&mut self, sku: &str, runs: &mut u32) -> Result<usize, Error> {
        pause().await;
        *runs += 1;
        self.skus.push(sku.to_owned());
        if *runs < 2 { Err(Error::NotFound) } else { Ok(self.skus.len()) }
    }

    #[timeout(1s)]
    async fn take(self) -> Result<Vec<String>, Error> {
        pause().await;
        Ok(self.skus)
    }

    #[timeout(1s)]
    async fn free() -> Result<u32, Error> {
        pause().await;
        Ok(3)
    }
}

/// Attributes above the macro that expands first.
struct Local;

#[async_trait(?Send)]
trait Read {
    async fn read(&self) -> Result<u32, Error>;
}

#[async_trait(?Send)]
impl Read for Local {
    #[timeout(1s)]
    async fn read(&self) -> Result<u32, Error> {
        let held = std::rc::Rc::new(4);
        pause().await;
        Ok(*held)
    }
}

#[tokio::test(start_paused = true)]
async fn native_methods_answer() {
    let mut shop = Shop { price: 3 };
    assert_eq!(shop.price("a").await, Ok(3));
    assert_eq!(shop.price("").await, Ok(1));
    assert_eq!(shop.doubled("a").await, Ok(6));
    shop.reset(5).await.unwrap();
    assert_eq!(shop.close().await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn boxed_methods_answer() {
    let mut shelf = Shelf::default();
    let mut runs = 0;
    assert_eq!(shelf.add("a", &mut runs).await, Ok(2), "the body ran twice");
    let stock: &dyn Count = &shelf;
    assert_eq!(stock.all().await, Ok(2));
    assert_eq!(shelf.count("a".into()).await, Ok(2));
    assert_eq!(shelf.described().await, "stock");
    assert_eq!(Shelf::free().await, Ok(3));
    assert_eq!(shelf.take().await.unwrap().len(), 2);
    assert_eq!(Local.read().await, Ok(4));
}

#[async_trait]
trait Count {
    async fn all(&self) -> Result<usize, Error>;
}

#[async_trait]
impl Count for Shelf {
    #[retry(idempotent)]
    async fn all(&self) -> Result<usize, Error> {
        pause().await;
        Ok(self.skus.len())
    }
}

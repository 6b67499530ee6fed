//! Functions that a macro of the caller's writes, and names that only a macro mentions.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use std::time::Duration;

use hardening::{fallback, retry, timeout};

use crate::error::{Error, pause};

macro_rules! asks {
    ($(#[$attr:meta])* $vis:vis $name:ident($arg:ident: $ty:ty) -> $out:ty $body:block) => {
        $(#[$attr])*
        #[retry(idempotent, backoff = 1ms)]
        $vis async fn $name($arg: $ty) -> Result<$out, Error> $body
    };
}

asks! {
    /// By a block.
    pub(crate) by_block(sku: String) -> usize {
        pause().await;
        Ok(sku.len())
    }
}

asks! {
    #[timeout(1s)]
    by_reference(numbers: &mut Vec<u32>) -> usize {
        pause().await;
        numbers.push(1);
        if numbers.len() < 2 { Err(Error::NotFound) } else { Ok(numbers.len()) }
    }
}

macro_rules! configured {
    ($name:ident, $attempts:literal, $limit:expr_2021, $answer:expr_2021, $on:pat) => {
        #[retry(attempts = $attempts, idempotent, on = $on, backoff = $limit)]
        #[timeout($limit)]
        #[fallback($answer)]
        async fn $name(sku: &str) -> Result<usize, Error> {
            pause().await;
            if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
        }
    };
}

configured!(from_fragments, 2, Duration::from_millis(20), Ok(9), Err(Error::NotFound));

macro_rules! with_tokens {
    ($name:ident { $($policy:tt)* } $($item:tt)*) => {
        #[hardening::hardened($($policy)*)]
        async fn $name $($item)*
    };
}

with_tokens! { from_tokens { timeout = 1s, retry(attempts = 2, idempotent) } (mut sku: String) -> Result<String, Error> {
    pause().await;
    sku.push('x');
    Ok(sku)
} }

struct Shop {
    price: u32,
}

macro_rules! getter {
    ($name:ident, $field:ident) => {
        #[timeout(1s)]
        async fn $name(&self) -> Result<u32, Error> {
            pause().await;
            Ok(self.$field)
        }
    };
}

impl Shop {
    getter!(price, price);
}

#[tokio::test(start_paused = true)]
async fn written_functions_answer() {
    assert_eq!(by_block("ab".into()).await, Ok(2));
    assert_eq!(by_reference(&mut Vec::new()).await, Ok(2));
    assert_eq!(from_fragments("").await, Ok(9));
    assert_eq!(from_fragments("a").await, Ok(1));
    assert_eq!(from_tokens("a".into()).await.unwrap(), "ax");
    assert_eq!(Shop { price: 3 }.price().await, Ok(3));
}

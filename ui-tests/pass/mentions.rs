//! What a repeated body does not mention needs no `Clone`.

#![allow(
    unused_variables,
    clippy::uninlined_format_args,
    clippy::drop_non_drop,
    reason = "an argument that the body does not mention is what is tested"
)]

use hardening::{Rejected, fallback, hedged, retry};

/// Neither `Clone` nor `Copy`.
struct Conn;

struct Order {
    price: u32,
}

impl Order {
    const fn price(&self) -> u32 {
        self.price
    }
}

mod price {
    pub(crate) const fn of(sku: &str) -> usize {
        sku.len()
    }
}

#[retry(attempts = 2, idempotent)]
async fn in_a_string(price: Conn, sku: &str) -> Result<String, Rejected> {
    Ok(format!("the price {} {{price}} of", sku))
}

#[hedged(after = 50ms, idempotent)]
async fn as_member(price: Conn, order: &Order) -> Result<u32, Rejected> {
    let other = Order { price: order.price };
    Ok(order.price() + other.price)
}

#[retry(attempts = 2, idempotent)]
async fn as_segment(price: Conn, sku: &str) -> Result<usize, Rejected> {
    Ok('price: {
        if sku.is_empty() {
            break 'price 0;
        }
        price::of(sku)
    })
}

#[fallback({ let _ = format!("price {}", 1); Ok(order.price) })]
async fn in_a_fallback(price: Conn, order: &Order) -> Result<u32, Rejected> {
    drop(price);
    Ok(order.price)
}

#[retry(attempts = 2, idempotent)]
async fn captured(price: String, width: usize, cents: usize) -> Result<String, Rejected> {
    Ok(format!("{price:>width$}{:.cents$}", 1.5))
}

#[retry(attempts = 2, idempotent)]
async fn lent(calls: &mut Option<&mut u32>, closure: impl FnOnce() -> u32 + Clone) -> Result<u32, Rejected> {
    if let Some(calls) = calls.as_deref_mut() {
        *calls += 1;
    }
    Ok(closure())
}

#[retry(attempts = 2, idempotent)]
async fn lent_closures(one: &impl Fn() -> u32, two: &mut impl FnMut() -> u32) -> Result<u32, Rejected> {
    Ok(one() + two())
}

#[retry(attempts = 2, idempotent)]
async fn lent_receiver(values: &mut tokio::sync::mpsc::Receiver<u32>) -> Result<u32, Rejected> {
    Ok(values.try_recv().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn i_78_unrelated_arguments_need_no_clone() {
    let order = Order { price: 2 };
    assert_eq!(in_a_string(Conn, "a").await.unwrap(), "the price a {price} of");
    assert_eq!(as_member(Conn, &order).await.unwrap(), 4);
    assert_eq!(as_segment(Conn, "a").await.unwrap(), 1);
    assert_eq!(in_a_fallback(Conn, &order).await.unwrap(), 2);
    assert_eq!(captured("1".to_owned(), 2, 1).await.unwrap(), " 11.5");
    let mut calls = 0;
    assert_eq!(lent(&mut Some(&mut calls), || 3).await.unwrap(), 3);
    assert_eq!(lent_closures(&|| 1, &mut || 2).await.unwrap(), 3);
    assert_eq!(lent_receiver(&mut tokio::sync::mpsc::channel(1).1).await.unwrap(), 0);
}

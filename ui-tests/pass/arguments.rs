//! Arguments by value, by reference and by pattern, under a body that runs again.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use hardening::{fallback, hardened, rate_limited, retry, timeout};

use crate::error::{Error, pause};

#[derive(Clone, Debug, PartialEq)]
struct Order {
    id: u64,
    lines: Vec<String>,
}

async fn consume(order: Order) -> usize {
    pause().await;
    order.lines.len()
}

fn order() -> Order {
    Order { id: 7, lines: vec!["a".into(), "b".into()] }
}

#[retry(attempts = 3, backoff = 1ms, idempotent)]
async fn used_up(order: Order, runs: &mut u32) -> Result<usize, Error> {
    *runs += 1;
    let lines = consume(order).await;
    if *runs < 3 { Err(Error::NotFound) } else { Ok(lines) }
}

#[timeout(1s)]
async fn moved_once(order: Order) -> Result<usize, Error> {
    Ok(consume(order).await)
}

/// Not `Clone`, and never asked to be: nothing runs again.
struct Ticket;

#[timeout(1s)]
async fn not_clone(ticket: Ticket) -> Result<(), Error> {
    pause().await;
    let Ticket = ticket;
    Ok(())
}

#[retry(idempotent)]
async fn not_mentioned(_ticket: Ticket, _: Ticket) -> Result<(), Error> {
    pause().await;
    Ok(())
}

#[retry(idempotent, backoff = 1ms)]
async fn changed(mut lines: Vec<u32>, mut left: u32, seen: &mut Vec<u32>) -> Result<u32, Error> {
    left += 1;
    lines.push(left);
    seen.push(left);
    pause().await;
    if seen.len() < 2 { Err(Error::NotFound) } else { Ok(lines.iter().sum()) }
}

#[retry(idempotent)]
async fn patterns(
    (sku, mut amount): (String, u32),
    Order { id, lines: mut all }: Order,
    [first, ..]: [u32; 3],
    &copied: &u32,
) -> Result<String, Error> {
    amount += first;
    all.push(sku);
    pause().await;
    Ok(format!("{id} {amount} {} {copied}", all.join("+")))
}

#[retry(idempotent)]
async fn exclusive_by_pattern((count, names): (&mut u32, &mut Vec<String>)) -> Result<u32, Error> {
    *count += 1;
    names.push("a".into());
    pause().await;
    Ok(*count)
}

#[retry(idempotent)]
async fn unsized_and_borrowed(name: &str, bytes: &[u8], text: &mut String) -> Result<usize, Error> {
    text.push_str(name);
    pause().await;
    Ok(text.len() + bytes.len())
}

#[retry(idempotent)]
async fn only_in_a_format(sku: String) -> Result<String, Error> {
    pause().await;
    Ok(format!("{sku:>4}"))
}

#[retry(idempotent)]
async fn configured(
    #[cfg(not(windows))] kept: String,
    #[cfg(windows)] left_out: String,
    #[allow(unused_variables)] unused: u32,
) -> Result<String, Error> {
    pause().await;
    Ok(kept)
}

#[hardened(name = "arguments::recorded", span_fields(order.id, sku))]
#[rate_limited(100/s, key = order.id, cost = order.lines.len() as u32)]
#[allow(clippy::cast_possible_truncation)]
async fn keyed_by_a_field(order: Order, sku: &str) -> Result<usize, Error> {
    pause().await;
    Ok(consume(order).await + sku.len())
}

#[fallback(Ok(sku.len()))]
async fn answered_from_an_argument(sku: String) -> Result<usize, Error> {
    pause().await;
    drop(sku);
    Err(Error::NotFound)
}

#[tokio::test(start_paused = true)]
async fn every_attempt_gets_its_own() {
    let mut runs = 0;
    assert_eq!(used_up(order(), &mut runs).await, Ok(2));
    assert_eq!(runs, 3);
    assert_eq!(changed(vec![1], 4, &mut Vec::new()).await, Ok(6), "`left` began anew");
    assert_eq!(moved_once(order()).await, Ok(2));
    assert_eq!(not_clone(Ticket).await, Ok(()));
    assert_eq!(not_mentioned(Ticket, Ticket).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn patterns_bind_as_written() {
    assert_eq!(patterns(("c".into(), 1), order(), [2, 0, 0], &9).await.unwrap(), "7 3 a+b+c 9");
    let (mut count, mut names) = (0, Vec::new());
    assert_eq!(exclusive_by_pattern((&mut count, &mut names)).await, Ok(1));
    assert_eq!((count, names.len()), (1, 1));
    let mut text = "x".to_owned();
    assert_eq!(unsized_and_borrowed("y", b"z", &mut text).await, Ok(3));
    assert_eq!(only_in_a_format("a".into()).await.unwrap(), "   a");
    assert_eq!(configured("kept".into(), 1).await.unwrap(), "kept");
    assert_eq!(keyed_by_a_field(order(), "s").await, Ok(3));
    assert_eq!(answered_from_an_argument("abc".into()).await, Ok(3));
}

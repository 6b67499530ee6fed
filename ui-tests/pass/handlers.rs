//! HTTP handlers, checks and set-up functions.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use hardening::{
    Rejected, Setup, Stopping, background, bulkhead, hardened_service, health_check, rate_limited, retry,
    timeout,
};

use crate::error::pause;

#[derive(Clone)]
struct Shop {
    price: u32,
}

#[timeout(1s)]
#[bulkhead(max = 10)]
#[rate_limited(100/s, key = client_ip)]
async fn price(State(shop): State<Shop>, Path(sku): Path<String>) -> Result<impl IntoResponse, Rejected> {
    pause().await;
    Ok(format!("{sku} {}", shop.price))
}

#[retry(idempotent)]
async fn repeated(State(shop): State<Shop>, Path(sku): Path<String>) -> Result<String, Rejected> {
    pause().await;
    Ok(format!("{sku} {}", shop.price))
}

#[timeout(1s)]
async fn parts(path: Path<u32>) -> Result<(axum::http::StatusCode, &'static str), Rejected> {
    pause().await;
    Ok((axum::http::StatusCode::ACCEPTED, if path.0 == 0 { "none" } else { "some" }))
}

struct Pool;

#[health_check(every = 5s, timeout = 1s, kind = ready)]
async fn database(pool: &Pool) -> Result<(), String> {
    pause().await;
    let Pool = pool;
    Ok(())
}

#[health_check]
async fn disk() -> hardening::Result<()> {
    pause().await;
    Ok(())
}

#[health_check(name = "r#type", kind = startup)]
#[allow(clippy::unused_async)]
async fn r#type(_: &Pool, shop: &Shop) -> Result<(), std::io::Error> {
    if shop.price == 0 { Err(std::io::Error::other("free")) } else { Ok(()) }
}

const SLOWEST: std::time::Duration = std::time::Duration::from_mins(1);

#[background(restart = 1s..SLOWEST, order = 2)]
async fn relay(stop: Stopping, pool: &Pool) -> Result<(), String> {
    stop.requested().await;
    let Pool = pool;
    Ok(())
}

#[background(name = "once", restart = never)]
async fn warm() -> hardening::Result<()> {
    Ok(())
}

#[hardened_service(name = "orders", listen = "127.0.0.1:0", admin = "127.0.0.1:0", grace = 40s)]
async fn orders(setup: &mut Setup) -> hardening::Result<Router> {
    pause().await;
    let shop = Shop { price: 3 };
    setup.provide(Pool);
    setup.provide(shop.clone());
    Ok(Router::new()
        .route("/prices/{sku}", get(price))
        .route("/repeated/{sku}", get(repeated))
        .route("/parts/{id}", get(parts))
        .with_state(shop))
}

/// Set-up that cannot fail and asks for nothing.
#[hardened_service]
async fn empty() -> Router {
    pause().await;
    Router::new()
}

#[tokio::test(start_paused = true)]
async fn a_service_starts_with_its_checks() {
    let running = orders().start().await.unwrap();
    assert_ne!(running.addr.port(), 0);
    assert!(running.shutdown().await.is_clean());
    drop(empty());
}

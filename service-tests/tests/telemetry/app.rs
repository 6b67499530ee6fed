//! A service with every part that is optional, and calls under every policy.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use hardening::{
    BoxError, PoolState, Rejected, Setup, Stopping, background, bulkhead, cached, circuit_breaker, fallback,
    hardened, hardened_service, health_check, hedged, idempotent, policy, rate_limited, retry, timeout,
};
use hardening_service_tests::prices::{Answer, Prices, PricesServer, Text, text};
use tokio::sync::Notify;
use tokio::time::sleep;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt as _};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

policy! {
    pub(crate) static PARTNERS: RateLimiter = { rate = 1000/s, burst = 1000 };
}

#[hardened_service(name = "fullest")]
pub(crate) async fn fullest(setup: &mut Setup) -> hardening::Result<(Router, Routes)> {
    set_up(setup).await
}

/// Lets [`held`] begin to serve.
pub(crate) static LET_GO: Notify = Notify::const_new();

/// The same, which is bound and does not serve before a test lets it.
#[hardened_service(name = "fullest")]
pub(crate) async fn held(setup: &mut Setup) -> hardening::Result<(Router, Routes)> {
    let both = set_up(setup).await?;
    LET_GO.notified().await;
    Ok(both)
}

async fn set_up(setup: &mut Setup) -> hardening::Result<(Router, Routes)> {
    setup.secret("key").await?;
    let waits = setup.pool("primary", || PoolState { in_use: 2, idle: 3, max: 10 });
    setup.on_shutdown("close", || async {});
    let http = Router::new()
        .route("/allocated", get(async || dhat::HeapStats::get().curr_bytes.to_string()))
        .route("/hello", get(|| async { "hello" }))
        .route("/items/{id}", get(|Path(id): Path<String>| async move { id }))
        .route("/priced/{sku}", get(|Path(sku): Path<u32>| async move { price(sku).await }))
        .route("/limited/{key}", get(|Path(key): Path<String>| async move { limited(&key).await }))
        .route("/partner", get(|| async { partner().await }))
        .route("/narrow/{key}", get(|Path(key): Path<String>| async move { narrow(&key).await }))
        .route("/retried", get(|| async { retried().await }))
        .route("/hedged", get(|| async { twice().await }))
        .route("/breaker/{key}", get(|Path(key): Path<String>| async move { broken(&key).await }))
        .route("/saved", get(|| async { saved().await.map_err(|error| error.to_string()) }))
        .route("/timeout", get(|| async { patient().await }))
        .route("/pay", post(|| async { pay().await }))
        .route("/panic", get(panics))
        .route("/fails/{status}", get(fails))
        .route(
            "/waited",
            get(|| async move {
                waits.record(Duration::from_millis(2));
                "waited"
            }),
        );
    Ok((http, Routes::new(PricesServer::new(Shop))))
}

#[cached(ttl = 1s, key = sku, max_entries = 200)]
async fn price(sku: u32) -> Result<String, Rejected> {
    Ok(format!("{sku} costs {}", "x".repeat(200)))
}

#[rate_limited(1/s, burst = 1, key = key.to_owned(), max_keys = 200)]
async fn limited(key: &str) -> Result<String, Rejected> {
    Ok(key.to_owned())
}

#[rate_limited(PARTNERS)]
async fn partner() -> Result<&'static str, Rejected> {
    Ok("answered")
}

#[bulkhead(max = 5, key = key.to_owned(), max_keys = 200)]
async fn narrow(key: &str) -> Result<String, Rejected> {
    sleep(Duration::from_millis(1)).await;
    Ok(key.to_owned())
}

#[retry(attempts = 3, backoff = 1ms..2ms, idempotent)]
async fn retried() -> Result<&'static str, Rejected> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    match RUNS.fetch_add(1, Ordering::Relaxed) % 3 {
        2 => Ok("done"),
        _ => Err(Rejected::ShuttingDown),
    }
}

#[hedged(after = 2ms, idempotent)]
async fn twice() -> Result<&'static str, Rejected> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    if RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        sleep(Duration::from_millis(20)).await;
    }
    Ok("answered")
}

#[circuit_breaker(failure_rate = 50%, window = 10, min_calls = 2, open_for = 1s, key = key.to_owned(), max_keys = 200)]
async fn broken(key: &str) -> Result<String, Rejected> {
    Err(Rejected::LoadFailed { call: if key.is_empty() { "none" } else { "some" }, cause: None })
}

#[fallback(Ok("kept"))]
async fn saved() -> Result<&'static str, BoxError> {
    Err("always".into())
}

#[timeout(5ms)]
async fn patient() -> Result<&'static str, Rejected> {
    sleep(Duration::from_mins(1)).await;
    Ok("late")
}

#[idempotent(key = idempotency_key, ttl = 1s, max_keys = 200)]
async fn pay() -> Result<axum::response::Response, Rejected> {
    Ok(axum::response::IntoResponse::into_response((StatusCode::CREATED, "paid ".repeat(40))))
}

async fn panics() -> &'static str {
    panic!("as asked")
}

async fn fails(Path(status): Path<u16>) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT)
}

#[background]
async fn sweep(stop: Stopping) -> Result<(), BoxError> {
    stop.requested().await;
    Ok(())
}

#[health_check(every = 200ms, timeout = 1s, kind = ready)]
async fn own() -> Result<(), BoxError> {
    Ok(())
}

#[derive(Debug)]
struct Shop;

#[tonic::async_trait]
impl Prices for Shop {
    type Stream = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

    #[hardened(name = "shop.quote", deadline = 5s)]
    async fn quote(&self, request: Request<Text>) -> Answer<Text> {
        match request.into_inner().service.as_str() {
            "missing" => Err(Status::not_found("no such price")),
            other => Ok(Response::new(text(other))),
        }
    }

    /// Never ends by itself.
    async fn feed(&self, _: Request<Text>) -> Answer<Self::Stream> {
        let prices = tokio_stream::iter(0..).then(async |at: u64| {
            sleep(Duration::from_millis(5)).await;
            Ok(text(at.to_string()))
        });
        Ok(Response::new(Box::pin(prices)))
    }

    async fn talk(&self, request: Request<Streaming<Text>>) -> Answer<Self::Stream> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}

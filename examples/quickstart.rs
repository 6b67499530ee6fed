//! A shop that asks a supplier for prices, hardened: `cargo run --example quickstart`.
//!
//! The supplier is a real HTTP server on a free port of this machine. Make it slow or take it down with
//! `POST /supplier/slow` or `/supplier/down`, and watch what `GET /price/{sku}` answers and what
//! `http://127.0.0.1:9090/metrics` says.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, body::Body};
use hardening::{BoxError, Json, Problem, Result, Setup};
use hardening::{circuit_breaker, fallback, hardened_service, health_check, rate_limited, retry, timeout};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use serde::{Deserialize, Serialize};

/// What a newcomer's loop would run into otherwise; `hardening.toml` and the environment win over it.
const SETTINGS: &str = "
[http]
rate_limit = '100000/min'
";

fn main() -> ExitCode {
    quickstart().with_defaults(SETTINGS).run()
}

/// The service: its routes, and what they need.
#[hardened_service(name = "quickstart")]
async fn quickstart(setup: &mut Setup) -> Result<Router> {
    let supplier = Supplier::start().await?;
    setup.provide(supplier.clone());
    Ok(Router::new()
        .route("/price/{sku}", get(get_price))
        .route("/orders", post(create_order))
        .route("/supplier/{mode}", post(set_supplier))
        .with_state(supplier))
}

#[derive(Serialize)]
struct Price {
    sku: String,
    cents: u32,
    source: &'static str,
}

/// What the supplier answers.
#[derive(Deserialize)]
struct Offer {
    cents: u32,
}

/// Asks the supplier. Each line above the function is one decision about what happens when that goes wrong.
#[fallback(Ok(Price { sku: sku.to_owned(), cents: 1_000, source: "fallback" }))]
#[circuit_breaker(failure_rate = 50%, window = 10s, min_calls = 10, open_for = 2s)]
#[retry(attempts = 3, backoff = 20ms..200ms, idempotent)]
#[timeout(200ms)]
async fn price(supplier: &Supplier, sku: &str) -> Result<Price> {
    let answer = supplier.client.get(format!("http://{}/{sku}", supplier.address).parse()?).await?;
    if !answer.status().is_success() {
        return Err(format!("the supplier answered {}", answer.status()).into());
    }
    let offer: Offer = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
    Ok(Price { sku: sku.to_owned(), cents: offer.cents, source: "live" })
}

async fn get_price(
    State(supplier): State<Supplier>,
    Path(sku): Path<String>,
) -> Result<Json<Price>, Problem> {
    if !sku.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Problem::validation().field("sku", "letters, digits and `-` alone"));
    }
    let price = price(&supplier, &sku).await;
    price
        .map(Json)
        .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail("No price is known now."))
}

#[derive(Deserialize)]
struct Order {
    sku: String,
    quantity: u32,
}

#[derive(Serialize)]
struct Placed {
    id: u64,
}

/// One client may place 20 orders a second.
#[rate_limited(20/s, burst = 10, key = client_ip)]
async fn create_order(Json(order): Json<Order>) -> Result<(StatusCode, Json<Placed>), Problem> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    if order.sku.is_empty() {
        return Err(Problem::validation().field("sku", "must not be empty"));
    }
    if !(1..=100).contains(&order.quantity) {
        return Err(Problem::validation().field("quantity", "must lie between 1 and 100"));
    }
    Ok((StatusCode::CREATED, Json(Placed { id: NEXT.fetch_add(1, Ordering::Relaxed) })))
}

async fn set_supplier(
    State(supplier): State<Supplier>,
    Path(mode): Path<String>,
) -> Result<StatusCode, Problem> {
    let Some(mode) = ["ok", "slow", "down"].iter().position(|known| *known == mode) else {
        return Err(Problem::new(StatusCode::NOT_FOUND).detail("The supplier is `ok`, `slow` or `down`."));
    };
    supplier.mode.store(mode as u8, Ordering::Relaxed);
    Ok(StatusCode::NO_CONTENT)
}

/// Reported by `/readyz?verbose` and `health_check_up`; being `degraded`, it never takes the shop out.
#[health_check(every = 2s, timeout = 500ms, kind = degraded)]
async fn supplier(supplier: &Supplier) -> Result<(), BoxError> {
    let answer = supplier.client.get(format!("http://{}/health", supplier.address).parse()?).await?;
    if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string().into()) }
}

/// Somebody else's service: where it is, a client for it, and how it behaves.
#[derive(Clone)]
struct Supplier {
    address: SocketAddr,
    client: Client<HttpConnector, Body>,
    mode: Arc<AtomicU8>,
}

impl Supplier {
    async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let supplier = Self { address: listener.local_addr()?, client, mode: Arc::default() };
        let routes = Router::new().route("/{sku}", get(supply)).with_state(Arc::clone(&supplier.mode));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(supplier)
    }
}

/// The supplier's one route.
async fn supply(
    State(mode): State<Arc<AtomicU8>>,
    Path(sku): Path<String>,
) -> Result<Json<serde_json::Value>, StatusCode> {
    match mode.load(Ordering::Relaxed) {
        0 => {}
        1 => tokio::time::sleep(Duration::from_secs(2)).await,
        _ => return Err(StatusCode::SERVICE_UNAVAILABLE),
    }
    Ok(Json(serde_json::json!({ "sku": sku, "cents": 1_999 })))
}

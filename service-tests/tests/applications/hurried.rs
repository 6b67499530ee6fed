//! Clients that ask for an answer sooner than there can be one.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use hardening::http::Client;
use hardening::{CircuitState, Rejected, Running, circuit_breaker, hardened_service, timeout};
use hardening_service_tests::client::get_with;
use tokio::time::sleep;

static CLIENT: OnceLock<Client> = OnceLock::new();

#[derive(Debug)]
struct Down;

impl From<Rejected> for Down {
    fn from(_: Rejected) -> Self {
        Self
    }
}

#[circuit_breaker(consecutive = 3, window = 10s, open_for = 30s)]
async fn plain() -> Result<(), Down> {
    sleep(Duration::from_millis(100)).await;
    Ok(())
}

#[circuit_breaker(consecutive = 3, window = 10s, open_for = 30s)]
#[timeout(500ms)]
async fn timed() -> Result<(), Down> {
    sleep(Duration::from_millis(300)).await;
    Ok(())
}

#[circuit_breaker(failure_rate = 50%, window = 10s, min_calls = 3, open_for = 30s)]
#[timeout(500ms)]
async fn adaptive() -> Result<(), Down> {
    sleep(Duration::from_millis(300)).await;
    Ok(())
}

/// Asks a service that keeps to the time it is told.
#[circuit_breaker(consecutive = 3, window = 10s, open_for = 30s)]
#[timeout(500ms)]
async fn chained(address: &str) -> Result<(), Down> {
    let answer = CLIENT.get_or_init(Client::new).get(format!("http://{address}/behind")).send().await;
    match answer.map_err(|_| Down)?.status() {
        StatusCode::OK => Ok(()),
        _ => Err(Down),
    }
}

/// Cannot be reached.
#[circuit_breaker(consecutive = 3, window = 10s, open_for = 30s)]
async fn refusing() -> Result<(), Down> {
    Err(Down)
}

fn status(result: Result<(), Down>) -> StatusCode {
    result.map_or(StatusCode::SERVICE_UNAVAILABLE, |()| StatusCode::OK)
}

/// Gives up at once where there is too little time for it.
async fn behind(headers: HeaderMap) -> StatusCode {
    let told = headers.get("x-request-timeout-ms").and_then(|told| told.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told < 400) { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::OK }
}

#[hardened_service(name = "hurried")]
async fn hurried() -> Router {
    Router::new()
        .route("/plain", get(async || status(plain().await)))
        .route("/timed", get(async || status(timed().await)))
        .route("/adaptive", get(async || status(adaptive().await)))
        .route("/refusing", get(async || status(refusing().await)))
        .route("/behind", get(behind))
        .route(
            "/chained",
            get(async |headers: HeaderMap| {
                let address = headers.get("x-behind").and_then(|address| address.to_str().ok());
                status(chained(address.unwrap_or_default()).await)
            }),
        )
}

async fn start() -> Running {
    let settings = "[http]\nrate_limit = 'none'\n[log]\naccess = false";
    hurried().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn clients_that_ask_for_too_little_time_open_no_circuit() {
    let running = start().await;
    let address = running.addr.to_string();
    let behind = ("x-behind", &*address);
    for (path, hurry) in [
        ("/plain", ("x-request-timeout-ms", "20")),
        ("/plain", ("x-request-timeout-ms", "1")),
        ("/plain", ("grpc-timeout", "20m")),
        ("/timed", ("x-request-timeout-ms", "270")),
        ("/timed", ("x-request-timeout-ms", "20")),
        ("/adaptive", ("x-request-timeout-ms", "270")),
        ("/chained", ("x-request-timeout-ms", "300")),
        ("/chained", ("x-request-timeout-ms", "20")),
    ] {
        for _ in 0..5 {
            let hurried = get_with(running.addr, path, &[hurry, behind]).await;
            assert!(matches!(hurried.status, 503 | 504), "{path} {hurry:?}: {}", hurried.status);
        }
        let patient = get_with(running.addr, path, &[behind]).await;
        assert_eq!(patient.status, 200, "{path} after {hurry:?}");
    }
}

#[tokio::test]
async fn a_dependency_that_fails_at_once_opens_its_circuit_whatever_clients_ask_for() {
    let running = start().await;
    // A busy machine may hold one of them up for half of its time.
    for _ in 0..10 {
        get_with(running.addr, "/refusing", &[("x-request-timeout-ms", "50")]).await;
    }
    let circuit = hardening::circuit("applications::hurried::refusing").expect("it was called");
    assert_eq!(circuit.state(), CircuitState::Open);
}

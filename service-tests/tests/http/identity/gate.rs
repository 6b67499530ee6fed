//! A service that asks who is calling, and the file of its callers.

use std::fmt::Write as _;

use axum::Router;
use axum::routing::get;
use hardening::{Json, Rejected, Running, Setup, context, hardened_service, rate_limited, requires};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::app::Dependencies;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::{Reply, get_with};
use hardening_service_tests::service::scrape;

#[hardened_service(name = "gate")]
pub(super) async fn gate(setup: &mut Setup) -> Router {
    // What the checks of this binary ask every service for.
    setup.provide(Dependencies::default());
    Router::new()
        .route("/me", get(me))
        .route("/orders", get(async || orders().await.map(|()| "orders")))
        .route("/turns", get(async || turn().await.map(|()| "turn")))
        .route("/tenants", get(async || tenants_turn().await.map(|()| "turn")))
        .route("/items/{id}", get(async || "item"))
        .route("/docs/{*page}", get(async || "docs"))
}

async fn me() -> Json<Value> {
    let request = context::current().expect("a request");
    let principal = request.principal.as_ref();
    Json(json!({
        "id": principal.map(|principal| principal.id.clone()),
        "scopes": principal.map(|principal| principal.scopes.clone()),
        "tenant": request.tenant,
    }))
}

#[requires("orders:read")]
async fn orders() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(2/min, burst = 2, key = principal)]
async fn turn() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(2/min, burst = 2, key = tenant)]
async fn tenants_turn() -> Result<(), Rejected> {
    Ok(())
}

/// The service under these settings.
pub(super) async fn start(settings: &str) -> Running {
    gate().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"))
}

/// What keeps the service from starting under these settings.
pub(super) async fn refused(settings: &str) -> Vec<String> {
    match gate().with_settings(settings).start().await {
        Ok(_) => panic!("it started"),
        Err(error) => error.problems().to_vec(),
    }
}

/// The answer to `GET path` with these fields.
pub(super) async fn ask(running: &Running, path: &str, fields: &[(&str, &str)]) -> Reply {
    get_with(running.addr, path, fields).await
}

/// One key of the file.
pub(crate) fn entry(id: &str, key: &str, rest: &str) -> String {
    let mut digest = String::new();
    for byte in Sha256::digest(key.as_bytes()) {
        write!(digest, "{byte:02x}").unwrap();
    }
    format!("[[key]]\nid = {id:?}\nsha256 = \"{digest}\"\n{rest}\n")
}

/// Puts a file of callers into place; answers the settings that name it.
pub(super) fn install(files: &Authority, callers: &str) -> String {
    format!("[auth]\napi_keys = {:?}\n", files.file("callers.toml", callers))
}

/// How often a credential of this kind met this end.
pub(super) async fn count(running: &Running, method: &str, result: &str) -> u64 {
    total(running, &format!("http_authentications_total{{method=\"{method}\",result=\"{result}\"}}")).await
}

/// The value of a counter.
pub(super) async fn total(running: &Running, series: &str) -> u64 {
    let metrics = scrape(running).await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}: {metrics}")).parse().unwrap()
}

//! A service with a call, a check and a task of the names that its libraries have as well.

use axum::Router;
use axum::routing::get;
use hardening::{Rejected, background, hardened_service, health_check, timeout};

#[timeout(1s)]
async fn fetch(sku: &str) -> Result<usize, Rejected> {
    Ok(inventory_client::fetch(sku).await? + price_client::fetch(sku).await?)
}

#[health_check]
async fn database() -> hardening::Result<()> {
    Ok(())
}

#[background]
async fn refresh() -> hardening::Result<()> {
    Ok(())
}

#[hardened_service]
async fn main() -> Router {
    Router::new().route("/", get(async || fetch("a-7").await.map(|found| found.to_string())))
}

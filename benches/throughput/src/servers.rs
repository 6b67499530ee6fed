//! The servers that are measured: each answers the same request with the same words.

use std::process::ExitCode;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use hardening::{Rejected, bulkhead, circuit_breaker, hardened_service, rate_limited, retry, timeout};

fn words(sku: &str) -> String {
    format!("{sku} costs 12 crowns, and there are 7 of it")
}

/// As axum's own first example has it.
pub(crate) fn bare(address: &str) -> ExitCode {
    let routes =
        Router::new().route("/price/{sku}", get(|Path(sku): Path<String>| async move { words(&sku) }));
    let serve = async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, routes).await
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[hardened_service(name = "prices")]
async fn with_calls() -> Router {
    Router::new().route("/price/{sku}", get(price))
}

#[hardened_service(name = "prices")]
async fn alone() -> Router {
    Router::new().route("/price/{sku}", get(|Path(sku): Path<String>| async move { words(&sku) }))
}

/// Every default of the service, limits that are never reached.
fn settings(address: &str) -> String {
    format!(
        "[http]\nlisten = '{address}'\nadmin = '127.0.0.1:0'\nrate_limit = '100000000/s'\n[log]\nformat = 'json'"
    )
}

/// The bare server's route in a hardened service.
pub(crate) fn service(address: &str) -> ExitCode {
    alone().with_defaults(settings(address)).run()
}

/// And a call under five policies in it.
pub(crate) fn hardened(address: &str) -> ExitCode {
    with_calls().with_defaults(settings(address)).run()
}

async fn price(Path(sku): Path<String>) -> Result<String, Rejected> {
    look_up(&sku).await
}

#[retry(attempts = 3, idempotent)]
#[circuit_breaker]
#[rate_limited(100000000/s)]
#[bulkhead(max = 10000)]
#[timeout(2s)]
async fn look_up(sku: &str) -> Result<String, Rejected> {
    Ok(words(sku))
}

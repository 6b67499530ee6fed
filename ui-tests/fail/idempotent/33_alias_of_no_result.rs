use axum::response::{IntoResponse, Response};
use hardening::idempotent;

type Count = u32;

struct Stock;

#[idempotent(key = sku, fingerprint = sku)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[idempotent(key = sku, fingerprint = sku)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[idempotent(key = sku, fingerprint = sku)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[idempotent(key = sku, fingerprint = sku)]
async fn imported(sku: &str) -> Response {
    let _ = sku;
    "".into_response()
}

fn main() {
    let _ = alias("A-1");
    let _ = own("A-1");
    let _ = response("A-1");
    let _ = imported("A-1");
}

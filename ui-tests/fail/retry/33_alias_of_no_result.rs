use axum::response::{IntoResponse, Response};
use hardening::retry;

type Count = u32;

struct Stock;

#[retry(idempotent)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[retry(idempotent)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[retry(idempotent)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[retry(idempotent)]
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

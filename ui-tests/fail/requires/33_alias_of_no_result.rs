use axum::response::{IntoResponse, Response};
use hardening::requires;

type Count = u32;

struct Stock;

#[requires("stock:read")]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[requires("stock:read")]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[requires("stock:read")]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[requires("stock:read")]
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

use axum::response::{IntoResponse, Response};
use hardening::cached;

type Count = u32;

struct Stock;

#[cached(ttl = 30s, key = sku)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[cached(ttl = 30s, key = sku)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[cached(ttl = 30s, key = sku)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[cached(ttl = 30s, key = sku)]
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

use axum::response::{IntoResponse, Response};
use hardening::circuit_breaker;

type Count = u32;

struct Stock;

#[circuit_breaker]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[circuit_breaker]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[circuit_breaker]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[circuit_breaker]
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

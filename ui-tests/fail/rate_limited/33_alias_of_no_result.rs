use axum::response::{IntoResponse, Response};
use hardening::rate_limited;

type Count = u32;

struct Stock;

#[rate_limited(100/s)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[rate_limited(100/s)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[rate_limited(100/s)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[rate_limited(100/s)]
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

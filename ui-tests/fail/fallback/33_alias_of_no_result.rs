use axum::response::{IntoResponse, Response};
use hardening::fallback;

type Count = u32;

struct Stock;

#[fallback(1)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[fallback(Stock)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[fallback("".into_response())]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[fallback("".into_response())]
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

use axum::response::{IntoResponse, Response};
use hardening::deadline;

type Count = u32;

struct Stock;

#[deadline(1s)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[deadline(1s)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[deadline(1s)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[deadline(1s)]
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

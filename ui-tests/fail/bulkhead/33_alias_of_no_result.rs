use axum::response::{IntoResponse, Response};
use hardening::bulkhead;

type Count = u32;

struct Stock;

#[bulkhead(max = 10)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[bulkhead(max = 10)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[bulkhead(max = 10)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[bulkhead(max = 10)]
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

use axum::response::{IntoResponse, Response};
use hardening::hedged;

type Count = u32;

struct Stock;

#[hedged(after = 50ms, idempotent)]
async fn alias(sku: &str) -> Count {
    let _ = sku;
    1
}

#[hedged(after = 50ms, idempotent)]
async fn own(sku: &str) -> Stock {
    let _ = sku;
    Stock
}

#[hedged(after = 50ms, idempotent)]
async fn response(sku: &str) -> axum::response::Response {
    let _ = sku;
    "".into_response()
}

#[hedged(after = 50ms, idempotent)]
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

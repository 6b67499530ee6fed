use axum::Json;
use axum::http::StatusCode;
use hardening::hedged;

#[hedged(after = 50ms, idempotent)]
async fn text(sku: &str) -> Result<usize, String> {
    Ok(sku.len())
}

#[hedged(after = 50ms, idempotent)]
async fn nothing(sku: &str) -> Result<usize, ()> {
    Ok(sku.len())
}

#[hedged(after = 50ms, idempotent)]
async fn word(sku: &str) -> Result<usize, &'static str> {
    Ok(sku.len())
}

#[hedged(after = 50ms, idempotent)]
async fn pair(sku: &str) -> Result<usize, (StatusCode, Json<u32>)> {
    Ok(sku.len())
}

#[hedged(after = 50ms, idempotent)]
async fn generic<E: std::error::Error>(sku: &str) -> Result<usize, E> {
    Ok(sku.len())
}

#[hedged(after = 50ms, idempotent)]
async fn foreign(sku: &str) -> Result<usize, std::fmt::Error> {
    Ok(sku.len())
}

fn main() {
    let _ = text("A-1");
    let _ = nothing("A-1");
    let _ = word("A-1");
    let _ = pair("A-1");
    let _ = generic::<std::io::Error>("A-1");
    let _ = foreign("A-1");
}

use hardening::hardened_service;

#[hardened_service(grace = secs(30s))]
async fn main() -> Result<axum::Router, String> {
    Ok(axum::Router::new())
}

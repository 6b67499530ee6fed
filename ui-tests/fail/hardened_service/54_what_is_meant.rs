use hardening::hardened_service;

#[hardened_service("0.0.0.0:8080")]
async fn main() -> Result<axum::Router, String> {
    Ok(axum::Router::new())
}

use hardening::hardened_service;

#[hardened_service]
async fn main(settings) -> Result<axum::Router, String> {
    Ok(axum::Router::new())
}

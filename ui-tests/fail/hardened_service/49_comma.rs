use hardening::hardened_service;

#[hardened_service(listen = "127.0.0.1:0" admin = "127.0.0.1:0")]
async fn main() -> Result<axum::Router, String> {
    Ok(axum::Router::new())
}

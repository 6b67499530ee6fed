use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service(listen = 8080, grace = 30)]
async fn main() -> Result<Router> {
    Ok(Router::new())
}

use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service(name = "", grace = 0s)]
async fn main() -> Result<Router> {
    Ok(Router::new())
}

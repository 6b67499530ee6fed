use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service]
#[tokio::main]
async fn main() -> Result<Router> {
    Ok(Router::new())
}

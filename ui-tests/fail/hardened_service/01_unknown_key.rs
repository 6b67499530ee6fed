use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service(nmae = "orders")]
async fn main() -> Result<Router> {
    Ok(Router::new())
}

use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service(name = "orders", name = "prices")]
async fn main() -> Result<Router> {
    Ok(Router::new())
}

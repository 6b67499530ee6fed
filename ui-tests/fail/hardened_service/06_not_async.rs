use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service]
fn main() -> Result<Router> {
    Ok(Router::new())
}

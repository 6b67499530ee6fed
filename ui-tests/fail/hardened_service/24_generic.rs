use axum::Router;
use hardening::{Result, hardened_service};

#[hardened_service]
async fn orders<S: Sync>() -> Result<Router> {
    Ok(Router::new())
}

fn main() {
    let _ = orders::<()>();
}

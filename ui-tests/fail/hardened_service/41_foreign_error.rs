use axum::Router;
use hardening::hardened_service;

struct Stock;

#[hardened_service]
async fn nothing() -> Result<Router, ()> {
    Ok(Router::new())
}

#[hardened_service]
async fn own() -> Stock {
    Stock
}

fn main() {
    let _ = nothing();
    let _ = own();
}

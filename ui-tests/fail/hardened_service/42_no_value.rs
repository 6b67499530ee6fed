use axum::Router;
use hardening::hardened_service;

#[hardened_service]
async fn statement() -> hardening::Result<Router> {
    let _ = Router::<()>::new();
}

fn main() {
    let _ = statement();
}

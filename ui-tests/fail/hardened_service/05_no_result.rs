use axum::Router;
use hardening::hardened_service;

#[hardened_service]
async fn main() {
    drop(Router::<()>::new());
}

use axum::Router;
use hardening::hardened_service;

#[hardened_service(nmae = "orders", listen = 8080)]
fn main<T>() {
    drop(Router::<()>::new());
}

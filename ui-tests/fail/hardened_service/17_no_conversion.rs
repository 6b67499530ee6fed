use axum::Router;
use hardening::hardened_service;

struct Broken;

#[hardened_service]
async fn main() -> std::result::Result<Router, Broken> {
    Err(Broken)
}

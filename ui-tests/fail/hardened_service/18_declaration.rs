use axum::Router;
use hardening::hardened_service;

trait Orders {
    #[hardened_service]
    async fn serve() -> Router;
}

fn main() {}

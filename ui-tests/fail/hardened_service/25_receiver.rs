use axum::Router;
use hardening::{Result, hardened_service};

struct Orders;

impl Orders {
    #[hardened_service]
    async fn serve(&self) -> Result<Router> {
        Ok(Router::new())
    }
}

fn main() {
    let _ = Orders.serve();
}

use axum::Router;
use hardening::hardened_service;

#[hardened_service(port = "127.0.0.1:80", shutdown_timeout = 3s, settings = "shop.toml")]
async fn shop() -> hardening::Result<Router> {
    Ok(Router::new())
}

fn main() {
    let _ = shop();
}

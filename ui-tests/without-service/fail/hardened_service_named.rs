//! A service that is not `main`, without the feature `service`.

use hardening::hardened_service;

#[hardened_service]
pub async fn orders() -> Result<(), String> {
    Ok(())
}

fn main() {}

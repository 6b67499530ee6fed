//! A service without the feature `service`.

use hardening::hardened_service;

#[hardened_service(name = "orders")]
async fn main() -> Result<(), String> {
    Ok(())
}

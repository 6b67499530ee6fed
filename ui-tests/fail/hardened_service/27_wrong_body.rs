use hardening::{Result, hardened_service};

#[hardened_service]
async fn main() -> Result<u32> {
    Ok(8080)
}

//! A health check without the feature `service`.

#[hardening::health_check]
async fn database() -> Result<(), String> {
    Ok(())
}

fn main() {}

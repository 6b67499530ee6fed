use company::hardening::{BoxError, health_check};

#[health_check]
async fn database() -> Result<(), BoxError> {
    Ok(())
}

fn main() {}

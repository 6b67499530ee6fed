use hardening::{Rejected, hardened};

#[tokio::main(flavor = "current_thread")]
#[hardened]
async fn main() -> Result<(), Rejected> {
    Ok(())
}

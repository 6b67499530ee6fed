use hardening::{Rejected, timeout};

#[tokio::main(flavor = "current_thread")]
#[timeout(1s)]
async fn main() -> Result<(), Rejected> {
    Ok(())
}

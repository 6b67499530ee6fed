use hardening::{Rejected, idempotent, timeout};

#[timeout(1s)]
#[idempotent(ttl = 1h)]
async fn pay(amount: u64) -> Result<u64, Rejected> {
    Ok(amount)
}

fn main() {}

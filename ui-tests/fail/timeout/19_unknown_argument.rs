use hardening::{Rejected, timeout};

use std::time::Duration;

#[timeout(limit)]
async fn stock(limit: Duration) -> Result<u64, Rejected> {
    Ok(limit.as_secs())
}

fn main() {
    let _ = stock(Duration::from_secs(1));
}

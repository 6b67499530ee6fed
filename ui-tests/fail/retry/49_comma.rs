use hardening::{Rejected, retry};

#[retry(attempts = 3 backoff = 1s..2s, idempotent; factor = 3, jitter = full max_duration = 10s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

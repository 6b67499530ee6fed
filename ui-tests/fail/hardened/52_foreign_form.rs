use hardening::{Rejected, hardened};

#[hardened(retry(backoff = fixed(100ms), idempotent), timeout = secs(5s))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

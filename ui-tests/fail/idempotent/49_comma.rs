use hardening::{Rejected, idempotent};

#[idempotent(key = sku.len() fingerprint = sku, ttl = 24h max_keys = 3)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

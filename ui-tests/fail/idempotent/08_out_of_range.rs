use hardening::{Rejected, idempotent};

#[idempotent(ttl = 0s, max_keys = 0, lease = 0s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

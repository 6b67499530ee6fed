use hardening::{Rejected, idempotent};

#[idempotent(ttl = 1h, ttl = 2h)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

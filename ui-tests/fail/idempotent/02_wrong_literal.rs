use hardening::{Rejected, idempotent};

#[idempotent(ttl = 1d12, max_keys = many)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

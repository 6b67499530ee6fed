use hardening::{Rejected, idempotent};

#[idempotent(sku.len(), fingerprint = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

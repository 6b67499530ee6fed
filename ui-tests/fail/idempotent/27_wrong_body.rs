use hardening::{Rejected, idempotent};

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku)
}

fn main() {
    let _ = stock("A-1");
}

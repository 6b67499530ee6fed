use hardening::{Rejected, idempotent};

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

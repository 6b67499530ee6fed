use hardening::{Rejected, idempotent};

#[idempotent(key = (sku, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), fingerprint = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

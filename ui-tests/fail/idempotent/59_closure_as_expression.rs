use hardening::{Rejected, idempotent};

#[idempotent(key = |sku| sku.to_owned(), fingerprint = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

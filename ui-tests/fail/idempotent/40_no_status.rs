use hardening::{Rejected, idempotent};

#[idempotent(key = sku, fingerprint = sku, duplicate = no_content)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, idempotent};

struct Stock(usize);

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku: &str) -> Result<Stock, Rejected> {
    Ok(Stock(sku.len()))
}

fn main() {
    let _ = stock("A-1");
}

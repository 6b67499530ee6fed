use hardening::{Rejected, idempotent};

struct Stock(usize);

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku: &str) -> Result<Stock, Rejected> {
    Ok(Stock(sku.len()))
}

#[idempotent(key = sku, fingerprint = sku)]
async fn order(sku: &str) -> std::io::Result<usize> {
    Ok(sku.len())
}

fn main() {
    let _ = order("A-1");
    let _ = stock("A-1");
}

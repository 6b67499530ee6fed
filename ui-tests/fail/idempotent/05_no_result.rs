use hardening::idempotent;

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

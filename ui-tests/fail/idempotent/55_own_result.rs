use hardening::idempotent;

struct Result {
    count: usize,
}

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

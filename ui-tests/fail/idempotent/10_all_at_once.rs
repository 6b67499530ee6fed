use hardening::idempotent;

#[idempotent(tll = 1h, key = sku)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

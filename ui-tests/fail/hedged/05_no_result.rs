use hardening::hedged;

#[hedged(after = p95, idempotent)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

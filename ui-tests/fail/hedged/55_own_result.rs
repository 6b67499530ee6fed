use hardening::hedged;

struct Result {
    count: usize,
}

#[hedged(after = p95, idempotent)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

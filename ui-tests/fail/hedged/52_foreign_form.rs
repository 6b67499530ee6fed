use hardening::{Rejected, hedged};

#[hedged(after = fixed(50ms), idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

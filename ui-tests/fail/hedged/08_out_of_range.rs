use hardening::{Rejected, hedged};

#[hedged(after = p40, max = 0, budget = 0%, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

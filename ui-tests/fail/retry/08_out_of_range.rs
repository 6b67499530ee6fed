use hardening::{Rejected, retry};

#[retry(attempts = 0, factor = 0.5, budget = 120%, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

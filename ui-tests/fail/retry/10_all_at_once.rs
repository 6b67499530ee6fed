use hardening::{Rejected, retry};

#[retry(attempts = 0, backoff = 2s..50ms, factr = 2, jitter = "full", on = NotFound, budget = 0%)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, retry};

#[retry(backoff = exponential(100ms, 2), idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

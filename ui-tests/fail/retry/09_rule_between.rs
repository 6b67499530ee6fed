use hardening::{Rejected, retry};

#[retry(backoff = 2s..10s, max_duration = 1s, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

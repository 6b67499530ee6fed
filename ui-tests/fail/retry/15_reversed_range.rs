use hardening::{Rejected, retry};

#[retry(backoff = 2s..50ms, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

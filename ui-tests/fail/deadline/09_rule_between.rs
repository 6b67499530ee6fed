use hardening::{Rejected, deadline, retry, timeout};

#[deadline(1s)]
#[timeout(600ms)]
#[retry(backoff = 100ms, jitter = none, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, retry};

#[retry(idempotent, retry_after = |error| error.retry_after())]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

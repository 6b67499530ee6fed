use hardening::{Rejected, retry};
use tracing::instrument as timeout;

#[retry(idempotent)]
#[timeout(1s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

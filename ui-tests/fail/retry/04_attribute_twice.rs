use hardening::{Rejected, retry};

#[retry(idempotent)]
#[retry(attempts = 5, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

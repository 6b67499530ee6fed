use hardening::{Rejected, retry};

#[retry(idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku)
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, retry};

#[retry(3, 100ms..2s, idempotent, Rejected::Timeout)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

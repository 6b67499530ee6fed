use hardening::{Rejected, fallback};

#[fallback(Ok(skus.len()))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

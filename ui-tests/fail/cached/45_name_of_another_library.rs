use hardening::{Rejected, cached};

#[cached(ttl_seconds = 30, convert = sku, size = 100, swr = 1s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

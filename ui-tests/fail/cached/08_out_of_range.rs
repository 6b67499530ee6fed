use hardening::{Rejected, cached};

#[cached(ttl = 0s, key = sku, max_entries = 0, jitter = 60%)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

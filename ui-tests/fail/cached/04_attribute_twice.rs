use hardening::{Rejected, cached};

#[cached(ttl = 30s, key = sku)]
#[cached(ttl = 1m, key = 1)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

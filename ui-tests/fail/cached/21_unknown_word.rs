use hardening::{Rejected, cached};

#[cached(ttl = 30s, key = sku, instances = mine)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

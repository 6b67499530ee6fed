use hardening::{Rejected, cached};

#[cached(ttl = 60s, key = "{sku}")]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

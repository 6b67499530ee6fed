use hardening::{Rejected, cached};

#[cached(ttl = 30s, key = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku)
}

fn main() {
    let _ = stock("A-1");
}

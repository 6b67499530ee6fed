use hardening::{Rejected, cached};

#[cached(ttl = 60s key = sku.to_owned() max_entries = 10)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, cached};

struct Stock(usize);

#[cached(ttl = 30s, key = sku)]
async fn stock(sku: &str) -> Result<Stock, Rejected> {
    Ok(Stock(sku.len()))
}

fn main() {
    let _ = stock("A-1");
}

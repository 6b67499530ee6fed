use hardening::{Rejected, cached};

#[derive(Clone)]
struct Price {
    cents: u32,
}

#[cached(ttl = 30s, key = sku, max_bytes = 64MiB)]
async fn price(sku: u32) -> Result<Price, Rejected> {
    Ok(Price { cents: sku })
}

fn main() {
    drop(price(1));
}

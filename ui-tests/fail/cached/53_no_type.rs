use hardening::{Rejected, cached};

#[cached(ttl = 60s, key = sku)]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

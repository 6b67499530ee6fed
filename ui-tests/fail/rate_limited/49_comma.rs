use hardening::{Rejected, rate_limited};

#[rate_limited(100/s burst = 20, key = sku max_keys = 10)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

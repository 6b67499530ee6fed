use hardening::{Rejected, rate_limited};

#[rate_limited(limit = 100/s, burst_size = 3, by = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, rate_limited};

#[rate_limited(10/s,, burst = 3)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

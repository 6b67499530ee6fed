use hardening::{Rejected, rate_limited};

#[rate_limited(0/s, burst = 0)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

#[rate_limited(1/1d, burst = 214000)]
async fn reports(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = (stock("A-1"), reports("A-1"));
}

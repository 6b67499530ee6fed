use hardening::{Rejected, rate_limited};

#[rate_limited(10/s)]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

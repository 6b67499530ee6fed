use hardening::{Rejected, rate_limited as limited, timeout};

#[timeout(1s)]
#[limited(100/s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, deadline as limit, timeout};

#[timeout(1s)]
#[limit(3s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

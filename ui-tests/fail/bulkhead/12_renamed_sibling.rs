use hardening::{Rejected, bulkhead as places, timeout};

#[timeout(1s)]
#[places(max = 10)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

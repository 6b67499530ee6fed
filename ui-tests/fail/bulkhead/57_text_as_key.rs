use hardening::{Rejected, bulkhead};

#[bulkhead(max = 10, key = "sku")]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

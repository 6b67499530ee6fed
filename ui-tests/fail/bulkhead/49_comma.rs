use hardening::{Rejected, bulkhead};

#[bulkhead(max = 10 queue = 5)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

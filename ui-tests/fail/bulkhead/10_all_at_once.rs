use hardening::{Rejected, bulkhead};

#[bulkhead(max = 0, queue = 1.5, max_wait = 5)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

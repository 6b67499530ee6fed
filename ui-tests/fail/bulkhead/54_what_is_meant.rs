use hardening::{Rejected, bulkhead};

#[bulkhead(10, sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

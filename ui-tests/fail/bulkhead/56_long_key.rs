use hardening::{Rejected, bulkhead};

#[bulkhead(max = 10, key = (sku, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

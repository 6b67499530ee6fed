use hardening::{Rejected, bulkhead};

#[bulkhead(max = 3,,)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

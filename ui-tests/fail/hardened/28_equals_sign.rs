use hardening::{Rejected, bulkhead, hardened};

#[bulkhead(max = 10)]
#[hardened = "stock"]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

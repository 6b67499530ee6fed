use hardening::{Rejected, bulkhead};

#[bulkhead(max = 10, max_wait = 50ms)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

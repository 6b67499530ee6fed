use hardening::{Rejected, bulkhead, timeout};

#[bulkhead(max = 10)]
#[timeout = "1s"]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

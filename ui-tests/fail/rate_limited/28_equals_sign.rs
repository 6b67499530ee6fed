use hardening::{Rejected, bulkhead, rate_limited};

#[bulkhead(max = 10)]
#[rate_limited = "100/s"]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, bulkhead};

#[bulkhead(max_concurrent_calls = 10, waitingTaskQueue = 5)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, bulkhead, policy};

policy! {
    static REDIS: CircuitBreaker = { failure_rate = 50% };
}

#[bulkhead(REDIS)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, bulkhead, circuit_breaker};

#[bulkhead(max = 10, min = 2, initial = 3)]
#[circuit_breaker(adaptive, failure_rate = 50%, key = sku, window = 100)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

#[bulkhead(adaptive, min = 300)]
#[circuit_breaker(multiplier = 2)]
async fn order(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

#[bulkhead(max = 10, max_keys = 5)]
#[circuit_breaker(adaptive, multiplier = 1)]
async fn price(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = (stock("A-1"), order("A-1"), price("A-1"));
}

use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(failure_rate = 50% window = 10s, failure = Err(_) consecutive = 5)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(slow_rate = 60%)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

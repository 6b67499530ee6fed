use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(failure_rate = 0%, slow_call = 1s, slow_rate = 150%, probes = 0)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

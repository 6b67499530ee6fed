use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(failure_rate = 2, window = soon, min_calls = 0, open_for = 60s..5s, ignore = NotFound)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(open_for = exponential(1s, 60s), window = seconds(10s))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

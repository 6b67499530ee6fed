use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(errorThresholdPercentage = 50%, sliding_window = 10s, reset_timeout = 5s, half_open = 3)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

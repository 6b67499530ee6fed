use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(window = 10, min_calls = 20)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

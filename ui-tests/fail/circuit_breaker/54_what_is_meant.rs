use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(5, 30s, disabled)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, circuit_breaker};

#[circuit_breaker(open_for = 1m..5s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, circuit_breaker};

#[circuit_breaker]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

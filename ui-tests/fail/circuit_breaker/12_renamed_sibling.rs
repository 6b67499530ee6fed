use hardening::{Rejected, circuit_breaker as breaker, timeout};

#[timeout(1s)]
#[breaker]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

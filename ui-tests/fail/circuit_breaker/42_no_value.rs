use hardening::{Rejected, circuit_breaker};

#[circuit_breaker]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[circuit_breaker]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[circuit_breaker]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

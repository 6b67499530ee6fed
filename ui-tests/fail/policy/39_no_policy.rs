use hardening::{Rejected, circuit_breaker};

const REDIS: u32 = 7;

#[circuit_breaker(REDIS)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = (stock("A-1"), REDIS);
}

use hardening::{Rejected, hedged};

#[hedged(after = p95, idempotent)]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

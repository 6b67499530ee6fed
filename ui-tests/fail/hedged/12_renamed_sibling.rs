use hardening::{Rejected, hedged as again, timeout};

#[timeout(1s)]
#[again(after = p95, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

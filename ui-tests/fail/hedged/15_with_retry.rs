use hardening::{Rejected, hedged, retry};

#[hedged(after = p95, idempotent)]
#[retry(idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

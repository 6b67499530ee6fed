use hardening::{Rejected, deadline, hedged, timeout};

#[hedged(after = 2s, idempotent)]
#[timeout(1s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

#[deadline(500ms)]
#[hedged(after = 1s, idempotent)]
async fn price(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
    let _ = price("A-1");
}

use hardening::{Rejected, hedged, timeout};

#[hedged(after = 2s, idempotent)]
#[timeout(1s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

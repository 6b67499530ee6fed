use hardening::{Rejected, hardened};

#[hardened(span_fields(sku) level = info, retry(attempts = 3 idempotent) timeout(1s))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, hardened};

#[hardened(span_fields(skus, sku.len()))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

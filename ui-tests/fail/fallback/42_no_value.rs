use hardening::{Rejected, fallback};

#[fallback(Ok(1))]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[fallback(Ok(1))]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[fallback(Ok(1))]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

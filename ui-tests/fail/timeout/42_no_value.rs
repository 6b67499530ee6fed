use hardening::{Rejected, timeout};

#[timeout(1s)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[timeout(1s)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[timeout(1s)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

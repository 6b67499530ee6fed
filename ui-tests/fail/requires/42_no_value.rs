use hardening::{Rejected, requires};

#[requires("stock:read")]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[requires("stock:read")]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[requires("stock:read")]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

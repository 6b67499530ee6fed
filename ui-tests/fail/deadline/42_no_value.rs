use hardening::{Rejected, deadline};

#[deadline(1s)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[deadline(1s)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[deadline(1s)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

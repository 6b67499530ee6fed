use hardening::{Rejected, rate_limited};

#[rate_limited(100/s)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[rate_limited(100/s)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[rate_limited(100/s)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

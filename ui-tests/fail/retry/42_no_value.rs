use hardening::{Rejected, retry};

#[retry(idempotent)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[retry(idempotent)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[retry(idempotent)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

use hardening::{Rejected, bulkhead};

#[bulkhead(max = 10)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[bulkhead(max = 10)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[bulkhead(max = 10)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

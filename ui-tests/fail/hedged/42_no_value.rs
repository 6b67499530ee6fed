use hardening::{Rejected, hedged};

#[hedged(after = 50ms, idempotent)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[hedged(after = 50ms, idempotent)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[hedged(after = 50ms, idempotent)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

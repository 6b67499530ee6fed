use hardening::{Rejected, cached};

#[cached(ttl = 30s, key = sku)]
async fn statement(sku: &str) -> Result<usize, Rejected> {
    let _ = sku;
}

#[cached(ttl = 30s, key = sku)]
async fn semicolon(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len());
}

#[cached(ttl = 30s, key = sku)]
async fn empty(sku: &str) -> Result<usize, Rejected> {}

fn main() {
    let _ = statement("A-1");
    let _ = semicolon("A-1");
    let _ = empty("A-1");
}

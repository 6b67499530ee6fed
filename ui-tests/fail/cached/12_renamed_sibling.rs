use hardening::{Rejected, cached as kept, timeout};

#[timeout(1s)]
#[kept(ttl = 30s, key = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, timeout as cut, retry};

#[retry(idempotent)]
#[cut(1s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

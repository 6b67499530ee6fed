use hardening::{Rejected, retry as again, timeout};

#[timeout(1s)]
#[again(idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

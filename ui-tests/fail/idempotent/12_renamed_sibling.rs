use hardening::{Rejected, idempotent as once, timeout};

#[timeout(1s)]
#[once]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

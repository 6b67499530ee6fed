use hardening::{Rejected, hardened as watched, timeout};

#[timeout(1s)]
#[watched]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

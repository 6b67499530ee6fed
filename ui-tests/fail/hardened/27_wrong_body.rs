use hardening::{Rejected, hardened};

#[hardened(timeout = 1s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku)
}

fn main() {
    let _ = stock("A-1");
}

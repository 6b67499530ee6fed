use hardening::{Rejected, hardened};

#[hardened(name = "stock",, level = info)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

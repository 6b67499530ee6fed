use hardening::{Rejected, fallback};

#[fallback(|error| Ok(0))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

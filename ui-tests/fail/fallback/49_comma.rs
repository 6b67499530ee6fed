use hardening::{Rejected, fallback};

#[fallback(Ok(sku.len()) within = 1s, on_rejected = (timeout circuit_open))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

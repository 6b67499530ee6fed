use hardening::{Rejected, fallback};

#[fallback(Ok(0), on_rejected = circuit_opend)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

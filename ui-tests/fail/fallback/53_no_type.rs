use hardening::{Rejected, fallback};

#[fallback(Ok(1))]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

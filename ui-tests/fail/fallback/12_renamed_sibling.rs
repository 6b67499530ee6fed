use hardening::{Rejected, fallback as otherwise, timeout};

#[timeout(1s)]
#[otherwise(Ok(0))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

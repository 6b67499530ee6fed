use hardening::{Rejected, timeout};

#[timeout(ms = 500)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

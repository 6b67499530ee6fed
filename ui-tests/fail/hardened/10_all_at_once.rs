use hardening::{Rejected, hardened};

#[hardened(nmae = "stock", level = loud, timeout = 5s, deadline = 3s, retry(attempts = 0))]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

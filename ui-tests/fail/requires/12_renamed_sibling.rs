use hardening::{Rejected, requires as needs, timeout};

#[timeout(1s)]
#[needs("orders:write")]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

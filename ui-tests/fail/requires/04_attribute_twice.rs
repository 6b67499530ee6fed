use hardening::{Rejected, requires};

#[requires("orders:write")]
#[requires("orders:read")]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, requires};

#[requires("orders:write")]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku)
}

fn main() {
    let _ = stock("A-1");
}

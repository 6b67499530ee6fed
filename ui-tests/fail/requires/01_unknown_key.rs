use hardening::{Rejected, requires};

#[requires(scop = "orders:write")]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

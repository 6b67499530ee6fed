use hardening::{Rejected, deadline, hardened};

#[deadline(3s)]
#[hardened(deadline = 4s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

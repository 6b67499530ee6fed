use hardening::{Rejected, deadline, timeout};

#[timeout(5s)]
#[deadline(3s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

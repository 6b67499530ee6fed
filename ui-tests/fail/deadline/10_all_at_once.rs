use hardening::{Rejected, deadline, fallback};

#[deadline(3 s, 4s)]
#[fallback(within = 0s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

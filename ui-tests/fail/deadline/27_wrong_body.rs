use hardening::{Rejected, deadline};

#[deadline(3s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku)
}

fn main() {
    let _ = stock("A-1");
}

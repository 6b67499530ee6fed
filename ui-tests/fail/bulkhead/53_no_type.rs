use hardening::{Rejected, bulkhead};

#[bulkhead(max = 10)]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

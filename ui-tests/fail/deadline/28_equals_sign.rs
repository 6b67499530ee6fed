use hardening::{Rejected, bulkhead, deadline};

#[bulkhead(max = 10)]
#[deadline = "3s"]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

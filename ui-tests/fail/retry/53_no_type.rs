use hardening::{Rejected, retry};

#[retry(idempotent)]
async fn stock(sku) -> Result<usize, Rejected> {
    Ok(1)
}

fn main() {
    let _ = stock("A-1");
}

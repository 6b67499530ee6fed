use hardening::{Rejected, fallback};

#[fallback(Ok(0), on = Ok(_), not_on = NotFound, on_rejected = (timeout, circuit_opened), within = 0s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

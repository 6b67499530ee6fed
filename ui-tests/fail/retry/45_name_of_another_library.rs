use hardening::{Rejected, retry};

#[retry(times = 3, delay = 50ms, maxElapsed = 1s, abort_on = _, timeout = 1s, idempotent)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

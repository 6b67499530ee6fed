use hardening::{bulkhead, deadline, retry, timeout};

#[timeout(4s)]
#[deadline(3s)]
#[bulkhead(mx = 1)]
#[retry(attempts = 0, backoff = 1)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

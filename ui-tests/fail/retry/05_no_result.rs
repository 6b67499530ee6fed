use hardening::retry;

#[retry(idempotent)]
async fn stock(sku: &str) -> Option<usize> {
    Some(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::retry;

struct Result {
    count: usize,
}

#[retry(idempotent)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

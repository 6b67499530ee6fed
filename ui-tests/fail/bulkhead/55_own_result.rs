use hardening::bulkhead;

struct Result {
    count: usize,
}

#[bulkhead(max = 10)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

use hardening::bulkhead;

#[bulkhead(max = 10)]
async fn stock(sku: &str) -> impl Sized {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

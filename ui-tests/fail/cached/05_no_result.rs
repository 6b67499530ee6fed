use hardening::cached;

#[cached(ttl = 30s, key = sku)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

use hardening::cached;

#[cached(ttl = 30s, jiter = 1%, max_entries = many)]
async fn stock(sku: &str) -> usize {
    sku.len()
}

fn main() {
    let _ = stock("A-1");
}

use hardening::cached;

struct Result {
    count: usize,
}

#[cached(ttl = 60s, key = sku)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

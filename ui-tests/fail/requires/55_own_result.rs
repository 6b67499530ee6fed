use hardening::requires;

struct Result {
    count: usize,
}

#[requires("stock:read")]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

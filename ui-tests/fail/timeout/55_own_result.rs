use hardening::timeout;

struct Result {
    count: usize,
}

#[timeout(1s)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

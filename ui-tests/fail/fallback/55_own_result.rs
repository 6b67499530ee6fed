use hardening::fallback;

struct Result {
    count: usize,
}

#[fallback(Result { count: 1 })]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

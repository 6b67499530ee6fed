use hardening::rate_limited;

struct Result {
    count: usize,
}

#[rate_limited(10/s)]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

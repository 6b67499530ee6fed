use hardening::circuit_breaker;

struct Result {
    count: usize,
}

#[circuit_breaker]
async fn stock(sku: &str) -> Result {
    Result { count: sku.len() }
}

fn main() {
    let _ = stock("A-1");
}

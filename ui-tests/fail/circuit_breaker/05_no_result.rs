use hardening::circuit_breaker;

#[circuit_breaker]
async fn stock(sku: &str) -> (usize, bool) {
    (sku.len(), true)
}

fn main() {
    let _ = stock("A-1");
}

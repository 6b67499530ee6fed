use hardening::circuit_breaker;

#[circuit_breaker]
async fn stock(sku: &str) -> Result<usize, String> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

use hardening::fallback;

#[fallback("none")]
async fn stock(sku: &str) -> &str {
    sku
}

fn main() {
    let _ = stock("A-1");
}

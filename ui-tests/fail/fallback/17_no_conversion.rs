use hardening::fallback;

#[fallback(Ok(0))]
async fn stock(sku: &str) -> Result<usize, String> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

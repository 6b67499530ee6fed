use hardening::timeout;

#[timeout(1s)]
async fn stock(sku: &str) -> Result<usize, String> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

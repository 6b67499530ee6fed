use hardening::rate_limited;

#[rate_limited(100/s)]
async fn stock(sku: &str) -> Result<usize, String> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

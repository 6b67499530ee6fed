use hardening::deadline;

#[deadline(3s)]
async fn stock(sku: &str) -> Result<usize, String> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

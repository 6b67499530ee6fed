use hardening::rate_limited;

#[rate_limited(100/s)]
async fn stock(sku: &str) -> Vec<u8> {
    sku.as_bytes().to_vec()
}

fn main() {
    let _ = stock("A-1");
}

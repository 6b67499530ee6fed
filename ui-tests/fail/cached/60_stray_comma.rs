use hardening::{Rejected, cached};

#[cached(ttl = 1s,, key = sku.to_owned())]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

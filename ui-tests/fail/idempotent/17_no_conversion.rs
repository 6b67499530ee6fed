use hardening::idempotent;

#[derive(serde::Serialize, serde::Deserialize)]
enum Error {
    NotFound,
}

#[idempotent(key = sku, fingerprint = sku)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

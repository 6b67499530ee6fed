use hardening::cached;

enum Error {
    NotFound,
}

#[cached(ttl = 30s, key = sku)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

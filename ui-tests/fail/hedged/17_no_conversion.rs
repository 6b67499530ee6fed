use hardening::hedged;

enum Error {
    NotFound,
}

#[hedged(after = p95, idempotent)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

use hardening::bulkhead;

enum Error {
    NotFound,
}

#[bulkhead(max = 10)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

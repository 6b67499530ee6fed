use hardening::requires;

enum Error {
    NotFound,
}

#[requires("orders:write")]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

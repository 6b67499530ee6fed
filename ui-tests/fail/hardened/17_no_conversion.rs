use hardening::hardened;

enum Error {
    NotFound,
}

#[hardened(timeout = 1s)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

use hardening::rate_limited;

enum Error {
    NotFound,
}

#[rate_limited(100/s)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
}

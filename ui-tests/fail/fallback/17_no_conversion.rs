use hardening::fallback;

enum Error {
    NotFound,
}

#[fallback(Ok(0))]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

#[fallback(Ok(0))]
pub async fn amount(text: &str) -> Result<u32, std::num::ParseIntError> {
    Ok(text.parse::<u32>()?)
}

fn main() {
    let _ = amount("1");
    let _ = stock("A-1");
}

use hardening::{Rejected, circuit_breaker};

enum Error {
    NotFound,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[circuit_breaker(failure = Error::NotFound, ignore = Err(Error::NotFound))]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

#[circuit_breaker(ignore = Err(_))]
async fn price(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
    let _ = price("A-1");
}

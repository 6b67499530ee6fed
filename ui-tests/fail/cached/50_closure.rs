use hardening::{Rejected, cached};

enum Error {
    NotFound,
    Busy(u32),
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[cached(ttl = 60s, key = sku.to_owned(), negative = |error| matches!(error, Error::NotFound) for 10s)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Busy(1)) }
}

fn main() {
    let _ = stock("A-1");
}

use hardening::{Rejected, deadline, retry};

enum Error {
    Connect,
    NotFound,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[retry(not_executed = Error::Connect, on = Error::NotFound)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Connect) }
}

#[retry(idempotent, on = Error::Connect, not_on = Error::Connect | Error::NotFound)]
async fn price(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Connect) }
}

#[retry(idempotent, not_executed = Error::Connect)]
async fn weight(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Connect) }
}

#[retry(idempotent, not_on = _)]
#[deadline(1s)]
async fn height(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Connect) }
}

fn main() {
    let _ = stock("A-1");
    let _ = price("A-1");
    let _ = weight("A-1");
    let _ = height("A-1");
}

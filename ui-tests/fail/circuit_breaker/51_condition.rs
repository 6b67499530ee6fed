use hardening::{Rejected, circuit_breaker};

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

#[circuit_breaker(failure = [Error::Busy(_), Error::NotFound], ignore = matches!(error, Error::NotFound))]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Busy(1)) }
}

fn main() {
    let _ = stock("A-1");
}

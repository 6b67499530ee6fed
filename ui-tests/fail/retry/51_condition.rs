use hardening::{Rejected, retry};

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

#[retry(on = error.is_lasting(), not_on = !Error::NotFound, not_executed = Error::Busy(_) || Error::NotFound)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Busy(1)) }
}

fn main() {
    let _ = stock("A-1");
}

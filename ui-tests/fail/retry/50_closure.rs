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

#[retry(on = |error| matches!(error, Error::Busy(_)), not_on = |error: &Error| error.is_lasting(), not_executed = move |_| true)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Busy(1)) }
}

fn main() {
    let _ = stock("A-1");
}

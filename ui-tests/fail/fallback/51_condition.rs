use hardening::{Rejected, fallback};

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

#[fallback(Ok(0), on = (Error::Busy(_), Error::NotFound), not_on = is_lasting)]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Err(Error::Busy(1)) }
}

fn main() {
    let _ = stock("A-1");
}

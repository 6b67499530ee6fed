use hardening::{Rejected, retry};

enum Error {
    NotFound,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

struct Unavailable {
    reason: String,
}

impl From<Rejected> for Unavailable {
    fn from(rejected: Rejected) -> Self {
        Self { reason: rejected.to_string() }
    }
}

#[retry(not_executed = Err(_))]
async fn stock(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

#[retry(not_executed = Unavailable { .. })]
async fn price(sku: &str) -> Result<usize, Unavailable> {
    if sku.is_empty() { Err(Unavailable { reason: "no name".to_owned() }) } else { Ok(sku.len()) }
}

#[retry(not_executed = Err(Unavailable { reason: _ }))]
async fn weight(sku: &str) -> Result<usize, Unavailable> {
    if sku.is_empty() { Err(Unavailable { reason: "no name".to_owned() }) } else { Ok(sku.len()) }
}

#[retry(not_executed = Error::NotFound)]
async fn length(sku: &str) -> Result<usize, Error> {
    if sku.is_empty() { Err(Error::NotFound) } else { Ok(sku.len()) }
}

fn main() {
    let _ = stock("A-1");
    let _ = price("A-1");
    let _ = weight("A-1");
    let _ = length("A-1");
}

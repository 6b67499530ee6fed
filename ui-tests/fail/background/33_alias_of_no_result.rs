use hardening::{BoxError, background};

type Count = u32;

struct Stock;

#[background]
async fn alias() -> Count {
    1
}

#[background]
async fn own() -> Stock {
    Stock
}

#[background]
async fn value() -> Result<usize, BoxError> {
    Ok(1)
}

fn main() {
    let _ = alias();
    let _ = own();
    let _ = value();
}

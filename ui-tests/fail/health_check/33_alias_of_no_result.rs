use hardening::{BoxError, health_check};

type Count = u32;

struct Stock;

#[health_check]
async fn alias() -> Count {
    1
}

#[health_check]
async fn own() -> Stock {
    Stock
}

#[health_check]
async fn value() -> Result<usize, BoxError> {
    Ok(1)
}

fn main() {
    let _ = alias();
    let _ = own();
    let _ = value();
}

use hardening::{BoxError, background};

#[background]
async fn statement() -> Result<(), BoxError> {
    let _ = 1;
}

#[background]
async fn empty() -> Result<(), BoxError> {}

fn main() {
    let _ = statement();
    let _ = empty();
}

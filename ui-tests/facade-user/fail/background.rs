use company::hardening::{BoxError, background};

#[background]
async fn relay() -> Result<(), BoxError> {
    Ok(())
}

fn main() {}

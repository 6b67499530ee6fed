use hardening::{BoxError, background};

#[background(backoff = 1s..60s, priority = 1)]
async fn stock() -> Result<(), BoxError> {
    Ok(())
}

fn main() {
    let _ = stock();
}

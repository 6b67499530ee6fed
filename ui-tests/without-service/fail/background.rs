//! A background task without the feature `service`.

use hardening::background;

#[background(restart = 1s..60s)]
async fn relay() -> Result<(), String> {
    Ok(())
}

fn main() {}

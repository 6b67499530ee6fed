use company::hardening::{Rejected, timeout};

#[timeout(1s)]
async fn price() -> Result<u64, Rejected> {
    Ok(1)
}

fn main() {}

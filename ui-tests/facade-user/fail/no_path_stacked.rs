use company::hardening::{Rejected, retry, timeout};

#[timeout(1s)]
#[retry(attempts = 2, idempotent)]
async fn price() -> Result<u64, Rejected> {
    Ok(1)
}

fn main() {}

use company::{bulkhead, retry, timeout};

#[retry(idempotent, crate = company)]
#[timeout(200ms, crate = company::hardening)]
#[bulkhead(max = 8)]
async fn price() -> Result<u64, company::hardening::Rejected> {
    Ok(7)
}

#[company::hardened(timeout(1s, crate = company::hardening), crate = company)]
async fn stock() -> Result<u64, company::hardening::Rejected> {
    Ok(7)
}

fn main() {
    let _ = (price(), stock());
}

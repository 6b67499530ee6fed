use hardening::{Rejected, hedged};

#[hedged(after = p95, idempotent)]
async fn stock(log: &mut Vec<u8>) -> Result<usize, Rejected> {
    Ok(log.len())
}

fn main() {
    let _ = stock(&mut Vec::new());
}

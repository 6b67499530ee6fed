use hardening::{Rejected, hedged};

#[hedged(after = p95, idempotent)]
async fn stock(log: &mut Vec<u8>) -> Result<usize, Rejected> {
    Ok(log.len())
}

#[hedged(after = p95, idempotent)]
async fn parts(ref mut log: Vec<u8>, (count, _): (&mut u32, u32)) -> Result<usize, Rejected> {
    *count += 1;
    Ok(log.len())
}

fn main() {
    let _ = stock(&mut Vec::new());
    let _ = parts(Vec::new(), (&mut 1, 2));
}

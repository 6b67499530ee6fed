use hardening::{Rejected, hedged};

struct Order(usize);

#[hedged(after = p95, idempotent)]
async fn stock(order: Order) -> Result<usize, Rejected> {
    Ok(order.0)
}

fn main() {
    let _ = stock(Order(1));
}

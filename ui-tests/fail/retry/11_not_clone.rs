use hardening::{Rejected, retry};

struct Order {
    lines: usize,
}

async fn place(order: Order) -> usize {
    order.lines
}

#[retry(idempotent)]
async fn submit(order: Order) -> Result<usize, Rejected> {
    Ok(place(order).await)
}

fn main() {
    let _ = submit(Order { lines: 1 });
}

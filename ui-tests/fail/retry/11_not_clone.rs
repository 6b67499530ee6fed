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

#[retry(attempts = 3, idempotent)]
async fn several(orders: Vec<Box<dyn std::any::Any + Send>>) -> Result<usize, Rejected> {
    Ok(orders.len())
}

fn main() {
    let _ = several(Vec::new());
    let _ = submit(Order { lines: 1 });
}

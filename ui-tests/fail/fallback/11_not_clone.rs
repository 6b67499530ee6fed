use hardening::{Rejected, fallback};

struct Order {
    lines: usize,
}

async fn place(order: Order) -> usize {
    order.lines
}

#[fallback(Ok(order.lines))]
async fn submit(order: Order) -> Result<usize, Rejected> {
    Ok(place(order).await)
}

fn main() {
    let _ = submit(Order { lines: 1 });
}

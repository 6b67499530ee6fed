use hardening::retry;

#[retry(idempotent)]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

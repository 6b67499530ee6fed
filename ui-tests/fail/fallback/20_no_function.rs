use hardening::fallback;

#[fallback(Ok(0))]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

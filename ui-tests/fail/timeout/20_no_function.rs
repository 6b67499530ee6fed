use hardening::timeout;

#[timeout(1s)]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

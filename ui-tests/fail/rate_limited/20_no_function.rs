use hardening::rate_limited;

#[rate_limited(100/s)]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

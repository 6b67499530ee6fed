use hardening::circuit_breaker;

#[circuit_breaker]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

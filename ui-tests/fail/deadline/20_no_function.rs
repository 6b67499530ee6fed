use hardening::deadline;

#[deadline(3s)]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

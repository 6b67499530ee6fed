use hardening::bulkhead;

#[bulkhead(max = 10)]
struct Order {
    lines: usize,
}

fn main() {
    let _ = Order { lines: 1 };
}

use hardening::idempotent;

#[idempotent]
struct Stock;

fn main() {
    let _ = Stock;
}

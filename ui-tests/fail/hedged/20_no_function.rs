use hardening::hedged;

#[hedged(after = p95, idempotent)]
struct Stock;

fn main() {
    let _ = Stock;
}

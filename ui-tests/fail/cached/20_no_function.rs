use hardening::cached;

#[cached(ttl = 30s, key = 0)]
struct Stock;

fn main() {
    let _ = Stock;
}

use hardening::requires;

#[requires("orders:write")]
struct Stock;

fn main() {
    let _ = Stock;
}

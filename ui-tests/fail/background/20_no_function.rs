use hardening::background;

#[background]
struct Pool;

fn main() {
    let _ = Pool;
}

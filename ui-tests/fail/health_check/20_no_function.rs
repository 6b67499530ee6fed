use hardening::health_check;

#[health_check]
struct Pool;

fn main() {
    let _ = Pool;
}

use hardening::hardened_service;

#[hardened_service]
struct Orders;

fn main() {
    let _ = Orders;
}

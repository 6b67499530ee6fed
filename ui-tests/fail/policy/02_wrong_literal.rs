use hardening::policy;

policy! {
    static REDIS: CircuitBreaker = { open_for = soon, probes = 0.5 };
}

fn main() {
    let _ = &REDIS;
}

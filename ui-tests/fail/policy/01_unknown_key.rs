use hardening::policy;

policy! {
    static REDIS: CircuitBreaker = { failure_rat = 50% };
}

fn main() {
    let _ = &REDIS;
}

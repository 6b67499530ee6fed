use hardening::policy;

policy! {
    static REDIS: CircuitBraker = { failure_rate = 50% };
    static redis: CircuitBreaker = { failure_rate = 50% };
}

fn main() {}

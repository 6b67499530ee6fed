use hardening::policy;

policy! {
    static REDIS: CircuitBreaker = { open_for = exponential(1s, 60s) };
    static API: RateLimiter = { rate = 100 };
}

fn main() {}

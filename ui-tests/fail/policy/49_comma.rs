use hardening::{policies, policy};

policy! {
    static REDIS: CircuitBreaker = { failure_rate = 50% window = 10s };
    static API: RateLimiter = { rate = 100/s burst = 20 };
    static POOL: Bulkhead = { max = 10 queue = 5 };
}

policies! {
    static INVENTORY = { timeout = 1s circuit_breaker(failure_rate = 50% window = 10s) };
}

fn main() {}

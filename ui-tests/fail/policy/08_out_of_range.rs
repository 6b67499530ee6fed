use hardening::policy;

policy! {
    static REDIS: CircuitBreaker = { failure_rate = 0%, open_for = 60s..5s };
    static API: RateLimiter = { rate = 10/s, burst = 0 };
    static DAILY: RateLimiter = { rate = 1/1d, burst = 214000 };
    static POOL: Bulkhead = { max = 0 };
    static RETRIES: RetryBudget = { ratio = 200% };
}

fn main() {
    let _ = (&REDIS, &API, &DAILY, &POOL, &RETRIES);
}

use hardening::policy;

policy! {
    static API: RateLimiter = { burst = 10 };
    static POOL: Bulkhead = {};
    static RETRIES: RetryBudget = {};
}

fn main() {
    let _ = (&API, &POOL, &RETRIES);
}

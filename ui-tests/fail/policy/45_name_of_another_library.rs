hardening::policy! {
    static REDIS: CircuitBreaker = { threshold = 50%, resetTimeout = 5s };
    static RATE: RateLimiter = { limit = 100/s };
    static PLACES: Bulkhead = { concurrency = 10 };
}

fn main() {
    let _ = (&REDIS, &RATE, &PLACES);
}

use hardening::{Rejected, policy, rate_limited, circuit_breaker};

policy! {
    static REDIS: CircuitBreaker = { failure = Err(_), key = host, adaptive };
    static API: RateLimiter = { rate = 10/s };
    static TENANTS: RateLimiter = { rate = 10/s, keyed };
}

#[rate_limited(API, burst = 10)]
#[circuit_breaker(REDIS, open_for = 5s)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = stock("A-1");
}

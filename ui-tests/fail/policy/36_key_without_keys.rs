use hardening::{Rejected, policy, rate_limited};

policy! {
    static API: RateLimiter = { rate = 10/s };
    static TENANTS: RateLimiter = { rate = 10/s, keyed };
}

#[rate_limited(API, key = sku)]
async fn stock(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

#[rate_limited(TENANTS)]
async fn order(sku: &str) -> Result<usize, Rejected> {
    Ok(sku.len())
}

fn main() {
    let _ = (stock("A-1"), order("A-1"));
}

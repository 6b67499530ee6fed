use hardening::policy;

policy! {
    static API: RateLimiter = { rate = 10/s, rate = 20/s };
}

fn main() {
    let _ = &API;
}

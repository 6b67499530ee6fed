pub struct Shelf(pub u32);

#[::hardening::health_check(every = 5s, timeout = 1s)]
async fn store(shelf: &Shelf) -> ::std::result::Result<(), ::hardening::BoxError> {
    if shelf.0 > 1 { ::std::result::Result::Err(::std::convert::From::from("none")) } else { ::std::result::Result::Ok(()) }
}

#[::hardening::background(restart = 1s..60s)]
async fn relay(shelf: &Shelf, stop: ::hardening::Stopping) -> ::std::result::Result<(), ::hardening::BoxError> {
    stop.requested().await;
    if shelf.0 > 1 { ::std::result::Result::Err(::std::convert::From::from("none")) } else { ::std::result::Result::Ok(()) }
}

#[::hardening::hardened_service(name = "names")]
pub async fn service(setup: &mut ::hardening::Setup) -> ::hardening::Result<::axum::Router> {
    setup.provide(Shelf(1));
    ::std::result::Result::Ok(::axum::Router::new())
}

::hardening::policy! {
    /// Everything that asks one store.
    pub static REDIS: CircuitBreaker = { failure_rate = 50%, window = 10s, open_for = 5s..60s };
    static PROVIDER: RateLimiter = { rate = 100/s, burst = 20, keyed };
    static RETRIES: RetryBudget = { ratio = 10% };
    static PLACES: Bulkhead = { max = 10 };
}

::hardening::policies! {
    /// What every request to the inventory goes through.
    pub static INVENTORY = { timeout = 500ms, deadline = 2s, circuit_breaker(failure_rate = 50%, window = 10s) };
}

#[::hardening::circuit_breaker(REDIS)]
#[::hardening::rate_limited(PROVIDER, key = number)]
#[::hardening::bulkhead(PLACES)]
#[::hardening::retry(idempotent, budget = RETRIES)]
pub async fn shared(number: u32) -> ::std::result::Result<u32, ::hardening::Rejected> {
    ::std::result::Result::Ok(number)
}

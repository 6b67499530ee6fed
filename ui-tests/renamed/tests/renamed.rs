//! Every attribute and macro where `hardening` is called `hard`.

use axum::Router;
use axum::routing::get;
use hard::{BoxError, Rejected, Setup, background, hardened_service, health_check};
use hard::{
    bulkhead, cached, circuit_breaker, deadline, fallback, hardened, hedged, idempotent, rate_limited,
    requires, retry, timeout,
};

hard::policy! {
    /// A shared circuit.
    static STORE: CircuitBreaker = { failure_rate = 50% };
    /// A shared rate.
    static RATE: RateLimiter = { rate = 100/s };
    /// Shared permits.
    static SLOTS: Bulkhead = { max = 10 };
    /// A shared budget.
    static AGAIN: RetryBudget = { ratio = 20% };
}

hard::policies! {
    /// Around a tower service.
    static OUTGOING = { timeout = 1s, circuit_breaker(failure_rate = 50%) };
}

#[fallback(Ok(0))]
#[cached(ttl = 30s, key = number)]
#[circuit_breaker(STORE)]
#[rate_limited(RATE)]
#[bulkhead(SLOTS)]
#[deadline(3s)]
#[timeout(200ms)]
#[retry(attempts = 2, budget = AGAIN, idempotent)]
async fn stacked(number: u32) -> Result<u32, Rejected> {
    tokio::task::yield_now().await;
    Ok(number)
}

#[hard::hedged(after = 10ms, idempotent)]
#[hard::timeout(200ms)]
async fn by_path(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[hedged(after = p95, idempotent)]
async fn twice(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[idempotent(key = number, fingerprint = number)]
async fn once(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[requires("numbers:read")]
async fn guarded() -> Result<u32, Rejected> {
    Ok(1)
}

#[hardened(span_fields(number))]
async fn observed(number: u32) -> u32 {
    number
}

#[health_check(every = 1s)]
async fn check(_number: &u32) -> Result<(), BoxError> {
    Ok(())
}

#[background(restart = 1s..60s)]
async fn task(_number: &u32) -> Result<(), BoxError> {
    std::future::pending().await
}

#[hardened_service(name = "renamed", listen = "127.0.0.1:0", admin = "127.0.0.1:0")]
async fn service(setup: &mut Setup) -> hard::Result<Router> {
    setup.provide(7_u32);
    let _ = &OUTGOING;
    Ok(Router::new().route("/", get(async || observed(1).await.to_string())))
}

#[tokio::test]
async fn calls_answer() {
    let _alone = hard::testing::alone();
    assert_eq!(stacked(1).await.unwrap(), 1);
    assert_eq!(by_path(2).await.unwrap(), 2);
    assert_eq!(twice(3).await.unwrap(), 3);
    assert_eq!(once(4).await.unwrap(), 4);
    assert_eq!(observed(5).await, 5);
    assert!(matches!(guarded().await, Err(Rejected::Unauthenticated)));
}

#[tokio::test]
async fn a_service_starts() {
    let running = service().start().await.unwrap();
    running.shutdown().await;
}

#[test]
fn policies_keep_their_promises() {
    hard::drills!();
}

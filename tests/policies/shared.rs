//! `policy!`: one state for several functions, and one for each key.

use std::time::Duration;

use hardening::{
    CircuitState, Rejected, bulkhead, circuit, circuit_breaker, circuit_of, hedged, policy, rate_limited,
    retry,
};
use tokio::time::{advance, sleep};

const PERIOD: Duration = Duration::from_secs(7);

policy! {
    /// Trips for everybody.
    pub static PRIMARY: CircuitBreaker = { failure_rate = 50%, window = 10s, min_calls = 10, open_for = PERIOD };
    static PROVIDER: RateLimiter = { rate = 10/s, burst = 3 };
    static CUSTOMERS: RateLimiter = { rate = 1/s, burst = 2, keyed, max_keys = 100 };
    static POOL: Bulkhead = { max = 2 };
    static RETRIES: RetryBudget = { ratio = 10% };
}

#[circuit_breaker(PRIMARY)]
async fn read(fails: bool) -> Result<u8, Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(1) }
}

#[circuit_breaker(self::PRIMARY, ignore = Rejected::ShuttingDown)]
async fn write(fails: bool) -> Result<u8, Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(2) }
}

#[tokio::test(start_paused = true)]
async fn what_shares_a_circuit_trips_together() {
    // Ignored by this function, though they share the circuit.
    for _ in 0..20 {
        let _ = write(true).await;
    }
    assert_eq!(circuit("PRIMARY").unwrap().state(), CircuitState::Closed);
    for _ in 0..10 {
        let _ = read(true).await;
    }
    let refused = write(false).await.unwrap_err();
    assert_eq!(refused, Rejected::CircuitOpen { circuit: "PRIMARY", retry_after: PERIOD });
    advance(PERIOD).await;
    for _ in 0..3 {
        assert_eq!(write(false).await.unwrap(), 2);
    }
    assert_eq!(read(false).await.unwrap(), 1);
    let mut metrics = String::new();
    hardening::telemetry::calls::render(&mut metrics);
    assert!(metrics.contains("hardening_circuit_state{circuit=\"PRIMARY\",state=\"closed\"} 1"), "{metrics}");
    assert!(!metrics.contains("circuit=\"shared::read\""), "shown once, under its own name");
}

#[rate_limited(PROVIDER)]
async fn first() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(PROVIDER, cost = 1)]
#[rate_limited(5/s, burst = 1)]
async fn second() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_shares_a_limit_is_charged_together_all_or_nothing() {
    assert!(second().await.is_ok());
    // Its own limit refuses, so the shared one is not charged.
    assert!(matches!(
        second().await.unwrap_err(),
        Rejected::RateLimited { limiter: "shared::second.rate_limited_2", .. }
    ));
    assert!(first().await.is_ok() && first().await.is_ok());
    let refused = first().await.unwrap_err();
    assert!(
        matches!(refused, Rejected::RateLimited { limiter: "PROVIDER", limit: 3, remaining: 0, .. }),
        "{refused:?}"
    );
}

#[rate_limited(CUSTOMERS, key = customer)]
async fn quota(customer: u64) -> Result<(), Rejected> {
    let _ = customer;
    Ok(())
}

#[rate_limited(CUSTOMERS, key = id)]
async fn order(id: u64) -> Result<(), Rejected> {
    let _ = id;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_a_shared_limit_are_those_of_all_who_use_it() {
    assert!(quota(7).await.is_ok() && order(7).await.is_ok());
    assert!(quota(7).await.is_err() && order(7).await.is_err());
    assert!(quota(8).await.is_ok());
}

#[bulkhead(POOL)]
async fn slow() -> Result<(), Rejected> {
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

#[bulkhead(POOL)]
async fn also_slow() -> Result<(), Rejected> {
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_shares_a_bulkhead_shares_its_places() {
    let (one, two, three) = tokio::join!(slow(), also_slow(), slow());
    assert!(one.is_ok() && two.is_ok());
    assert!(matches!(three.unwrap_err(), Rejected::BulkheadFull { limit: 2, .. }));
}

#[retry(attempts = 2, backoff = 1ms, jitter = none, idempotent, budget = RETRIES)]
async fn failing(runs: &std::cell::Cell<u32>) -> Result<(), Rejected> {
    runs.set(runs.get() + 1);
    Err(Rejected::ShuttingDown)
}

#[hedged(after = 1ms, idempotent, budget = RETRIES)]
async fn tardy(runs: &std::sync::atomic::AtomicU32) -> Result<(), Rejected> {
    runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    sleep(Duration::from_millis(5)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn i_30_retries_and_hedges_of_one_dependency_have_one_budget_and_i_29_a_refused_one_gives_the_original_error()
 {
    let runs = std::cell::Cell::new(0);
    for _ in 0..20 {
        assert_eq!(failing(&runs).await, Err(Rejected::ShuttingDown));
    }
    assert_eq!(runs.get(), 40);
    let hedges = std::sync::atomic::AtomicU32::new(0);
    for _ in 0..20 {
        tardy(&hedges).await.unwrap();
    }
    // Thirty are free and each call has paid a tenth: the twenty retries leave about thirteen.
    let extra = hedges.load(std::sync::atomic::Ordering::Relaxed) - 20;
    assert!((10..=15).contains(&extra), "{extra}");
    runs.set(0);
    for _ in 0..20 {
        assert_eq!(failing(&runs).await, Err(Rejected::ShuttingDown));
    }
    assert!(runs.get() <= 25, "the hedges have taken what was there: {}", runs.get());
}

#[circuit_breaker(consecutive = 2, open_for = 5s, key = host, max_keys = 2)]
async fn ask(host: &str, fails: bool) -> Result<String, Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(host.to_owned()) }
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_circuit_and_memory_is_bounded() {
    for _ in 0..2 {
        let _ = ask("a", true).await;
    }
    assert!(matches!(ask("a", false).await.unwrap_err(), Rejected::CircuitOpen { .. }));
    assert_eq!(ask("b", false).await.unwrap(), "b");
    assert_eq!(circuit_of("shared::ask", "a").unwrap().state(), CircuitState::Open);
    assert_eq!(circuit_of("shared::ask", "b").unwrap().state(), CircuitState::Closed);
    // Both places are taken, and neither is idle: further keys share one circuit, as in every table of few keys.
    let _ = ask("b", true).await;
    for _ in 0..2 {
        let _ = ask("c", true).await;
    }
    assert!(ask("d", false).await.is_err(), "the shared circuit is open");
    assert!(ask("b", false).await.is_ok());
    // When what the window holds is gone, an idle key leaves its place.
    advance(Duration::from_secs(20)).await;
    assert_eq!(ask("e", false).await.unwrap(), "e");
    assert_eq!(circuit_of("shared::ask", "a").unwrap().state(), CircuitState::HalfOpen, "an open one stays");
    let unknown = circuit_of("shared::aks", "a").unwrap_err().to_string();
    assert!(unknown.contains("did you mean `shared::ask`?"), "{unknown}");
}

#[bulkhead(max = 1, queue = 1, key = tenant)]
async fn report(tenant: u32) -> Result<u32, Rejected> {
    sleep(Duration::from_secs(1)).await;
    Ok(tenant)
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_bulkhead_and_a_queue() {
    let (a, b, c, d) = tokio::join!(report(1), report(1), report(1), report(2));
    assert_eq!((a.unwrap(), b.unwrap(), d.unwrap()), (1, 1, 2));
    assert!(matches!(c.unwrap_err(), Rejected::BulkheadFull { limit: 1, .. }));
    assert_eq!(report(1).await.unwrap(), 1);
}

#[circuit_breaker(consecutive = 1, open_for = 5s, key = host)]
#[rate_limited(2/s, burst = 2, key = host)]
#[bulkhead(max = 1, key = user)]
async fn all_keyed(host: &str, user: u32) -> Result<(), Rejected> {
    let _ = user;
    if host == "bad" { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn each_policy_has_its_own_key() {
    assert!(all_keyed("bad", 1).await.is_err());
    assert!(matches!(all_keyed("bad", 2).await.unwrap_err(), Rejected::CircuitOpen { .. }));
    assert!(matches!(all_keyed("bad", 1).await.unwrap_err(), Rejected::RateLimited { .. }));
    assert!(all_keyed("good", 1).await.is_ok());
}

#[circuit_breaker(adaptive, window = 10s, multiplier = 2)]
async fn throttled(fails: bool) -> Result<(), Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_breaker_refuses_a_share() {
    fastrand::seed(7);
    for _ in 0..100 {
        assert!(throttled(false).await.is_ok());
    }
    advance(Duration::from_secs(11)).await;
    let mut refused = 0;
    for _ in 0..1000 {
        refused += u32::from(matches!(throttled(true).await, Err(Rejected::CircuitOpen { .. })));
    }
    assert!((800..=900).contains(&refused), "{refused}");
    advance(Duration::from_secs(11)).await;
    assert!(throttled(false).await.is_ok(), "what is long ago is forgotten");
}

#[bulkhead(adaptive, min = 1, initial = 4, max = 50)]
async fn learning(took: Duration) -> Result<(), Rejected> {
    sleep(took).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_bulkhead_grows_while_nothing_waits() {
    let together = |count: usize| async move {
        let calls: Vec<_> = (0..count).map(|_| tokio::spawn(learning(Duration::from_millis(10)))).collect();
        let mut passed = 0;
        for call in calls {
            passed += usize::from(call.await.unwrap().is_ok());
        }
        passed
    };
    assert_eq!(together(20).await, 4);
    for _ in 0..200 {
        together(60).await;
    }
    assert_eq!(together(60).await, 50);
}

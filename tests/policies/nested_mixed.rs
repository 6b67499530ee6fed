//! Calls inside one another that name one policy, with a retry, a load or a spawned task between them.

use hardening::{
    CircuitState, Rejected, bulkhead, cached, circuit, circuit_breaker, context, hedged, policy,
    rate_limited, retry,
};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::handover::{Error, joined};
use super::support::{metric, ms};

policy! {
    static MIXED_CIRCUIT: CircuitBreaker = { consecutive = 2, open_for = 5s, probes = 1 };
    static MIXED_SLOW: CircuitBreaker = { min_calls = 4, slow_call = 1s, slow_rate = 50%, open_for = 5s };
    static MIXED_PLACE: Bulkhead = { max = 1, queue = 5 };
    static MIXED_RETRY: RateLimiter = { rate = 1/h, burst = 10 };
    static MIXED_HEDGE: RateLimiter = { rate = 1/h, burst = 10 };
    static MIXED_COST: RateLimiter = { rate = 1/h, burst = 10 };
}

#[circuit_breaker(MIXED_CIRCUIT)]
async fn recovers(all: bool) -> Result<u32, Rejected> {
    let end = fails_five_times().await;
    if all { Ok(0) } else { end }
}

#[retry(attempts = 5, backoff = 1ms, budget = none, idempotent)]
#[circuit_breaker(MIXED_CIRCUIT)]
async fn fails_five_times() -> Result<u32, Rejected> {
    Err(Rejected::ShuttingDown)
}

#[circuit_breaker(MIXED_CIRCUIT)]
async fn spawns() -> Result<u32, Rejected> {
    let _ = tokio::spawn(fails_five_times()).await.unwrap();
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn attempts_inside_are_part_of_the_outer_outcome_and_those_of_a_task_are_not() {
    let circuit = circuit("MIXED_CIRCUIT").unwrap();
    for _ in 0..5 {
        assert_eq!(recovers(true).await, Ok(0));
    }
    assert_eq!((circuit.state(), circuit.window()), (CircuitState::Closed, (5, 0, 0)));
    assert!(recovers(false).await.is_err());
    assert_eq!((circuit.state(), circuit.window()), (CircuitState::Closed, (6, 1, 0)));
    let _ = spawns().await;
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[circuit_breaker(MIXED_SLOW)]
async fn hangs_outside(takes: u64) -> Result<(), Rejected> {
    hangs_inside(takes).await
}

#[circuit_breaker(MIXED_SLOW)]
async fn hangs_inside(takes: u64) -> Result<(), Rejected> {
    sleep(ms(takes)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_inside_another_that_hangs_is_slow_once() {
    let mut hung: Vec<_> = (0..3).map(|_| tokio::spawn(hangs_outside(60_000))).collect();
    sleep(ms(1500)).await;
    assert_eq!(circuit("MIXED_SLOW").unwrap().state(), CircuitState::Closed, "three, not six");
    hung.push(tokio::spawn(hangs_outside(60_000)));
    sleep(ms(1001)).await;
    assert_eq!(circuit("MIXED_SLOW").unwrap().state(), CircuitState::Open);
    for call in hung {
        call.abort();
    }
}

#[bulkhead(MIXED_PLACE)]
async fn place_around_load(k: u32) -> Result<u32, Error> {
    load(k).await
}

#[cached(ttl = 10s, key = k)]
async fn load(k: u32) -> Result<u32, Error> {
    place_in_load(k).await
}

#[bulkhead(MIXED_PLACE)]
async fn place_in_load(k: u32) -> Result<u32, Error> {
    sleep(ms(10)).await;
    Ok(k)
}

/// The leader leaves in the midst of it, and whoever leads next lends its own place.
#[tokio::test(start_paused = true)]
async fn a_place_is_lent_through_a_load_and_through_the_next_leader_s() {
    let cut = tokio::spawn(timeout(ms(5), place_around_load(1)));
    yield_now().await;
    let others: Vec<_> = (0..4).map(|_| tokio::spawn(place_around_load(1))).collect();
    let ends = timeout(ms(1000), joined(others)).await.expect("they wait for each other");
    assert_eq!(ends, vec![Ok(1); 4]);
    assert!(cut.await.unwrap().is_err());
    let both = async { tokio::join!(place_around_load(2), load(2)) };
    assert_eq!(timeout(ms(1000), both).await.expect("they wait for each other"), (Ok(2), Ok(2)));
    assert_eq!(metric("hardening_queue_depth{call=\"MIXED_PLACE\"}"), 0);
}

#[retry(attempts = 3, backoff = 1ms, budget = none, idempotent)]
#[rate_limited(MIXED_RETRY)]
async fn charged_once() -> Result<u32, Rejected> {
    let end = charged_in_an_attempt().await?;
    if context::attempt() == 3 { Ok(end) } else { Err(Rejected::ShuttingDown) }
}

#[rate_limited(MIXED_RETRY)]
async fn charged_in_an_attempt() -> Result<u32, Rejected> {
    Ok(1)
}

#[hedged(after = 10ms, max = 2, budget = 100%, idempotent)]
#[rate_limited(MIXED_HEDGE)]
async fn charged_beside() -> Result<u32, Rejected> {
    charged_in_an_execution().await
}

#[rate_limited(MIXED_HEDGE)]
async fn charged_in_an_execution() -> Result<u32, Rejected> {
    sleep(ms(25)).await;
    Ok(1)
}

#[rate_limited(MIXED_COST, cost = 3)]
async fn costs_three(inner: u32) -> Result<u32, Rejected> {
    costs(inner).await
}

#[rate_limited(MIXED_COST, cost = cost)]
async fn costs(cost: u32) -> Result<u32, Rejected> {
    Ok(cost)
}

/// A charge covers one call inside, whichever attempt or execution it is made in, and no more than was paid.
#[tokio::test(start_paused = true)]
async fn a_charge_covers_one_call_of_all_attempts_and_executions() {
    assert_eq!(charged_once().await, Ok(1));
    let mut left = 0;
    while charged_in_an_attempt().await.is_ok() {
        left += 1;
    }
    assert_eq!(left, 7, "the call, and two further attempts");
    assert_eq!(charged_beside().await, Ok(1));
    let mut left = 0;
    while charged_in_an_execution().await.is_ok() {
        left += 1;
    }
    assert_eq!(left, 7, "the call, and two further executions");

    assert_eq!((costs_three(2).await, costs_three(3).await), (Ok(2), Ok(3)));
    assert!(costs_three(5).await.is_err(), "three more are paid, and one is left");
    assert_eq!(costs(1).await, Ok(1));
    assert!(costs(1).await.is_err());
}

//! Calls inside one another that name one policy.

use std::cell::Cell;
use std::rc::Rc;

use hardening::{
    CircuitState, Rejected, bulkhead, cached, circuit, circuit_breaker, deadline, fallback, hedged, policy,
    rate_limited, retry, timeout,
};
use tokio::time::{Instant, advance, sleep};

use super::support::{metric, ms};

policy! {
    static NEST_CIRCUIT: CircuitBreaker = { consecutive = 3, open_for = 5s, probes = 1 };
    static NEST_PLACE: Bulkhead = { max = 1 };
    static NEST_QUEUE: Bulkhead = { max = 1, queue = 10 };
    static NEST_TWO: Bulkhead = { max = 2 };
    static NEST_RATE: RateLimiter = { rate = 1/h, burst = 10 };
    static NEST_WAIT: RateLimiter = { rate = 10/s, burst = 1, wait = 10s };
    static NEST_KEYS: RateLimiter = { rate = 1/h, burst = 2, keyed };
    static NEST_BUDGET: RetryBudget = { ratio = 10% };
    static NEST_MANY: Bulkhead = { max = 1, queue = 100 };
}

#[circuit_breaker(NEST_CIRCUIT)]
async fn circuit_outer(fails: bool) -> Result<(), Rejected> {
    circuit_inner(fails).await
}

#[circuit_breaker(NEST_CIRCUIT)]
async fn circuit_inner(fails: bool) -> Result<(), Rejected> {
    sleep(ms(1)).await;
    if fails { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn a_shared_circuit_closes_after_healing() {
    let circuit = circuit("NEST_CIRCUIT").unwrap();
    for _ in 0..2 {
        assert_eq!(circuit_outer(true).await, Err(Rejected::ShuttingDown));
    }
    // One call, one outcome: that of the outer one.
    assert_eq!(circuit.state(), CircuitState::Closed);
    assert_eq!(circuit.window().0, 2);
    let _ = circuit_outer(true).await;
    assert_eq!(circuit.state(), CircuitState::Open);
    advance(ms(5100)).await;
    let mut answers = 0;
    for _ in 0..20 {
        answers += u32::from(circuit_outer(false).await.is_ok());
        sleep(ms(1000)).await;
    }
    assert_eq!((answers, circuit.state()), (20, CircuitState::Closed));
}

#[bulkhead(NEST_PLACE)]
async fn place_outer(inner: u32) -> Result<(), Rejected> {
    for _ in 0..inner {
        place_middle().await?;
    }
    Ok(())
}

#[timeout(1s)]
#[retry(attempts = 3, backoff = 1ms, idempotent)]
#[bulkhead(NEST_PLACE)]
async fn place_middle() -> Result<(), Rejected> {
    place_inner().await
}

#[bulkhead(NEST_PLACE)]
async fn place_inner() -> Result<(), Rejected> {
    sleep(ms(10)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn three_levels_run_in_one_place_one_after_the_other() {
    assert_eq!(place_outer(3).await, Ok(()));
    let (one, other) = tokio::join!(place_outer(1), place_outer(1));
    assert_eq!(one, Ok(()));
    assert!(matches!(other, Err(Rejected::BulkheadFull { limit: 1, .. })));
    // Dropped at every step, it leaves nothing behind.
    for polls in 0..4 {
        let mut call = Box::pin(place_outer(2));
        for _ in 0..polls {
            let _ = tokio::time::timeout(ms(5), call.as_mut()).await;
        }
    }
    assert_eq!(place_inner().await, Ok(()));
    assert_eq!(metric("hardening_in_flight{call=\"nested::place_inner\"}"), 0);
}

#[bulkhead(NEST_QUEUE)]
async fn queue_outer() -> Result<(), Rejected> {
    let (one, two, three) = tokio::join!(queue_inner(), queue_inner(), queue_inner());
    one.and(two).and(three)
}

#[bulkhead(NEST_QUEUE)]
async fn queue_inner() -> Result<(), Rejected> {
    sleep(ms(10)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn calls_side_by_side_in_one_place_take_turns() {
    let begun = Instant::now();
    assert_eq!(queue_outer().await, Ok(()));
    assert_eq!(begun.elapsed(), ms(30));
    let (one, two) = tokio::join!(queue_outer(), queue_outer());
    assert_eq!((one, two), (Ok(()), Ok(())));
}

#[bulkhead(NEST_TWO)]
async fn two_outer(inner: usize) -> Result<usize, Rejected> {
    let (one, two) = tokio::join!(two_inner(), async { if inner > 1 { two_inner().await } else { Ok(()) } });
    Ok(usize::from(one.is_ok()) + usize::from(inner > 1 && two.is_ok()))
}

#[bulkhead(NEST_TWO)]
async fn two_inner() -> Result<(), Rejected> {
    sleep(ms(10)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_second_call_beside_the_first_takes_a_place_of_its_own() {
    // Each outer call's place is enough for both.
    let (one, two) = tokio::join!(two_outer(1), two_outer(1));
    assert_eq!((one, two), (Ok(1), Ok(1)));
    assert_eq!(two_outer(2).await, Ok(2));
    let (one, two) = tokio::join!(two_outer(2), two_outer(2));
    assert_eq!(one, Ok(2));
    assert!(matches!(two, Err(Rejected::BulkheadFull { limit: 2, .. })), "no third place");
}

#[rate_limited(NEST_RATE)]
async fn rate_outer(inner: u32) -> Result<u32, Rejected> {
    let mut passed = 0;
    for _ in 0..inner {
        passed += u32::from(rate_inner().await.is_ok());
    }
    Ok(passed)
}

#[rate_limited(NEST_RATE)]
async fn rate_inner() -> Result<(), Rejected> {
    rate_innermost().await
}

#[rate_limited(NEST_RATE)]
async fn rate_innermost() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_charge_covers_the_first_call_inside() {
    assert_eq!(rate_outer(1).await, Ok(1));
    assert_eq!(rate_outer(2).await, Ok(2));
    assert_eq!(rate_outer(0).await, Ok(0));
    // One, two, one: six are left, and each outer call takes one more than there are further inner ones.
    assert_eq!(rate_outer(4).await, Ok(4));
    assert_eq!(rate_outer(9).await, Ok(2));
    assert!(rate_outer(0).await.is_err());
}

#[rate_limited(NEST_KEYS, key = outer)]
async fn keys_outer(outer: u32, inner: u32) -> Result<(), Rejected> {
    keys_inner(inner).await
}

#[rate_limited(NEST_KEYS, key = key)]
async fn keys_inner(key: u32) -> Result<(), Rejected> {
    let _ = key;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_charge_covers_calls_of_its_key_alone() {
    assert!(keys_outer(1, 1).await.is_ok() && keys_outer(1, 1).await.is_ok());
    assert!(keys_outer(1, 1).await.is_err());
    assert!(keys_outer(2, 3).await.is_ok() && keys_outer(4, 3).await.is_ok());
    assert!(keys_outer(5, 3).await.is_err());
    assert!(keys_outer(5, 3).await.is_err());
    assert!(keys_outer(5, 5).await.is_err());
}

#[rate_limited(NEST_WAIT)]
async fn wait_outer() -> Result<(), Rejected> {
    wait_inner().await
}

#[rate_limited(NEST_WAIT, per = attempt)]
async fn wait_inner() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_its_turn_covers_the_one_inside() {
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(wait_outer().await, Ok(()));
    }
    assert_eq!(begun.elapsed(), ms(400));
}

/// Under everything that stands around a call.
#[fallback(Ok(7))]
#[deadline(1s)]
#[cached(ttl = 1ms, key = number)]
#[hedged(after = 5ms, idempotent)]
#[circuit_breaker(NEST_CIRCUIT_OF_ALL)]
#[rate_limited(NEST_RATE_OF_ALL)]
#[timeout(500ms)]
#[bulkhead(NEST_PLACES_OF_ALL)]
async fn all_outer(number: u32) -> Result<u32, Rejected> {
    all_inner(number).await
}

#[fallback(Err(Rejected::ShuttingDown))]
#[retry(attempts = 2, backoff = 1ms, idempotent)]
#[circuit_breaker(NEST_CIRCUIT_OF_ALL)]
#[rate_limited(NEST_RATE_OF_ALL)]
#[timeout(100ms)]
#[bulkhead(NEST_PLACES_OF_ALL)]
async fn all_inner(number: u32) -> Result<u32, Rejected> {
    sleep(ms(1)).await;
    Ok(number)
}

policy! {
    static NEST_CIRCUIT_OF_ALL: CircuitBreaker = { consecutive = 1, open_for = 1s, probes = 1 };
    static NEST_RATE_OF_ALL: RateLimiter = { rate = 1/h, burst = 20 };
    static NEST_PLACES_OF_ALL: Bulkhead = { max = 1 };
}

#[tokio::test(start_paused = true)]
async fn all_policies_at_once_are_passed_once() {
    for number in 0..20 {
        assert_eq!(all_outer(number).await, Ok(number));
        sleep(ms(10)).await;
    }
    // Now the rate is used up.
    assert!(matches!(all_outer(20).await, Err(Rejected::RateLimited { .. })));
}

#[retry(attempts = 2, backoff = 1ms, idempotent, budget = NEST_BUDGET)]
async fn budget_outer(runs: &Cell<u32>) -> Result<(), Rejected> {
    budget_inner(runs).await
}

#[retry(attempts = 2, backoff = 1ms, idempotent, budget = NEST_BUDGET)]
async fn budget_inner(runs: &Cell<u32>) -> Result<(), Rejected> {
    runs.set(runs.get() + 1);
    Err(Rejected::ShuttingDown)
}

#[tokio::test(start_paused = true)]
async fn a_shared_budget_bounds_both_levels() {
    let runs = Cell::new(0);
    for _ in 0..100 {
        assert_eq!(budget_outer(&runs).await, Err(Rejected::ShuttingDown));
    }
    assert!((100..250).contains(&runs.get()), "{}", runs.get());
}

/// A spawned call is no part of its caller: it waits for a place of its own, until a deadline ends that.
#[bulkhead(NEST_QUEUE_SPAWNED)]
async fn spawning() -> Result<(), Rejected> {
    tokio::spawn(spawned()).await.unwrap()
}

#[deadline(1s)]
#[bulkhead(NEST_QUEUE_SPAWNED)]
async fn spawned() -> Result<(), Rejected> {
    Ok(())
}

policy! {
    static NEST_QUEUE_SPAWNED: Bulkhead = { max = 1, queue = 10 };
}

#[tokio::test(start_paused = true)]
async fn a_spawned_call_waits_for_a_place_of_its_own() {
    assert!(matches!(spawning().await, Err(Rejected::DeadlineExceeded { .. })));
    assert_eq!(spawned().await, Ok(()));
}

#[bulkhead(NEST_MANY)]
async fn many_outer(inside: Rc<Cell<u32>>, seed: u64) -> Result<(), Rejected> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..random.u32(..3) {
        let (one, two) = tokio::join!(
            many_inner(Rc::clone(&inside), random.u64(..5)),
            tokio::time::timeout(ms(random.u64(1..8)), many_inner(Rc::clone(&inside), random.u64(..5))),
        );
        one?;
        if let Ok(two) = two {
            two?;
        }
    }
    Ok(())
}

#[bulkhead(NEST_MANY)]
async fn many_inner(inside: Rc<Cell<u32>>, takes: u64) -> Result<(), Rejected> {
    struct Inside(Rc<Cell<u32>>);
    impl Drop for Inside {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    inside.set(inside.get() + 1);
    let inside = Inside(inside);
    assert_eq!(inside.0.get(), 1, "one place");
    sleep(ms(takes)).await;
    Ok(())
}

/// Callers that come, leave and hold up one another at random: never two in the one place, and it is free in the end.
#[tokio::test(start_paused = true)]
async fn whatever_leaves_whenever_the_place_is_held_by_one_and_free_in_the_end() {
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            let mut random = fastrand::Rng::with_seed(4);
            let inside = Rc::new(Cell::new(0));
            let mut calls = Vec::new();
            for seed in 0..400 {
                let (inside, patience) = (Rc::clone(&inside), ms(random.u64(1..200)));
                calls.push(tokio::task::spawn_local(async move {
                    let _ = tokio::time::timeout(patience, many_outer(inside, seed)).await;
                }));
                sleep(ms(random.u64(..6))).await;
            }
            for call in calls {
                call.await.expect("one at a time");
            }
            assert_eq!(inside.get(), 0);
            assert_eq!(metric("hardening_queue_depth{call=\"NEST_MANY\"}"), 0);
            assert_eq!(tokio::time::timeout(ms(1), many_inner(inside, 0)).await, Ok(Ok(())));
        })
        .await;
}

policy! {
    static NEST_GIVEN_BACK: RateLimiter = { rate = 1/h, burst = 2 };
    static NEST_PROBED: CircuitBreaker = { consecutive = 1, open_for = 1s, probes = 1 };
}

#[rate_limited(NEST_GIVEN_BACK)]
async fn given_back_outer() -> Result<(), Rejected> {
    // Refused by its own limit, it has not used what covers it.
    let _ = given_back_inner().await;
    assert!(given_back_inner().await.is_err());
    given_back_other().await
}

#[rate_limited(NEST_GIVEN_BACK)]
#[rate_limited(1/h, burst = 1)]
async fn given_back_inner() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(NEST_GIVEN_BACK)]
async fn given_back_other() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_inside_gives_back_what_covered_it() {
    assert_eq!(given_back_inner().await, Ok(()));
    assert_eq!(given_back_outer().await, Ok(()), "one unit was left");
    assert!(given_back_other().await.is_err());
}

#[circuit_breaker(NEST_PROBED)]
async fn probed_outer(fails: bool) -> Result<u32, Rejected> {
    // The first is dropped on its way, the second runs beside nobody and gets the permit again.
    let _ = tokio::time::timeout(ms(1), probed_inner(false)).await;
    let first = probed_inner(fails).await;
    let second = probed_inner(false).await;
    first.and(second)
}

#[retry(attempts = 2, backoff = 1ms, idempotent, budget = none)]
#[circuit_breaker(NEST_PROBED)]
#[timeout(100ms)]
async fn probed_inner(fails: bool) -> Result<u32, Rejected> {
    sleep(ms(5)).await;
    if fails { Err(Rejected::ShuttingDown) } else { Ok(1) }
}

#[tokio::test(start_paused = true)]
async fn a_probe_lends_its_permit_again_and_again() {
    let circuit = circuit("NEST_PROBED").unwrap();
    for _ in 0..3 {
        assert!(probed_outer(true).await.is_err());
        assert_eq!(circuit.state(), CircuitState::Open);
        advance(ms(1100)).await;
        assert_eq!(probed_outer(false).await, Ok(1));
        assert_eq!(circuit.state(), CircuitState::Closed);
    }
}

//! Functions that call themselves through their own policies.

use std::pin::Pin;

use hardening::{CircuitState, Rejected, bulkhead, cached, circuit, circuit_breaker};
use hardening_spec::settings::{Raw, set};
use tokio::time::{advance, sleep, timeout};

use super::nested_told::Warnings;
use super::support::ms;

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<u32, Rejected>> + Send + 'a>>;

fn boxed(depth: u32) -> Boxed<'static> {
    Box::pin(recursive(depth))
}

#[bulkhead(max = 1, queue = 10)]
async fn recursive(depth: u32) -> Result<u32, Rejected> {
    sleep(ms(1)).await;
    if depth == 0 { Ok(0) } else { Ok(boxed(depth - 1).await? + 1) }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_calls_itself_runs_in_its_own_place() {
    assert_eq!(recursive(5).await, Ok(5));
    let (one, two) = tokio::join!(recursive(3), recursive(2));
    assert_eq!((one, two), (Ok(3), Ok(2)));
}

fn ping_boxed(depth: u32) -> Boxed<'static> {
    Box::pin(ping(depth))
}

#[bulkhead(max = 2, queue = 1)]
async fn ping(depth: u32) -> Result<u32, Rejected> {
    sleep(ms(1)).await;
    pong(depth).await
}

#[bulkhead(max = 1, queue = 1)]
async fn pong(depth: u32) -> Result<u32, Rejected> {
    if depth == 0 { Ok(0) } else { Ok(ping_boxed(depth - 1).await? + 1) }
}

#[tokio::test(start_paused = true)]
async fn functions_that_call_each_other_run_in_their_own_places() {
    assert_eq!(ping(4).await, Ok(4));
    assert_eq!(ping(4).await, Ok(4));
}

fn keyed_boxed(depth: u32) -> Boxed<'static> {
    Box::pin(keyed(depth, depth / 2))
}

#[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1, key = key)]
#[bulkhead(max = 1, queue = 1, key = key)]
async fn keyed(depth: u32, key: u32) -> Result<u32, Rejected> {
    let _ = key;
    if depth == 0 { Ok(0) } else { Ok(keyed_boxed(depth - 1).await? + 1) }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_again_runs_in_its_own_place() {
    assert_eq!(keyed(5, 2).await, Ok(5));
    assert_eq!(keyed(5, 0).await, Ok(5));
}

fn probe_boxed(depth: u32, fails: bool) -> Boxed<'static> {
    Box::pin(probe(depth, fails))
}

#[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1)]
async fn probe(depth: u32, fails: bool) -> Result<u32, Rejected> {
    match depth {
        0 if fails => Err(Rejected::ShuttingDown),
        0 => Ok(0),
        _ => Ok(probe_boxed(depth - 1, fails).await? + 1),
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_calls_itself_closes_its_circuit() {
    assert!(probe(2, true).await.is_err());
    assert!(matches!(probe(2, false).await, Err(Rejected::CircuitOpen { .. })));
    advance(ms(1100)).await;
    assert_eq!(probe(2, false).await, Ok(2));
    assert_eq!(circuit("recursion::probe").unwrap().state(), CircuitState::Closed);
}

fn bounded_boxed(depth: u32) -> Boxed<'static> {
    Box::pin(bounded(depth))
}

#[bulkhead(max = 2)]
async fn bounded(depth: u32) -> Result<u32, Rejected> {
    if depth == 0 { Ok(0) } else { Ok(bounded_boxed(depth - 1).await? + 1) }
}

/// Without a queue nobody would wait for itself: each call takes a place, and the one that finds none is refused.
#[tokio::test(start_paused = true)]
async fn a_function_that_calls_itself_without_a_queue_is_refused_when_no_place_is_left() {
    assert_eq!(bounded(1).await, Ok(1));
    assert!(matches!(bounded(2).await, Err(Rejected::BulkheadFull { limit: 2, .. })));
    assert_eq!(bounded(1).await, Ok(1));
}

fn lowered_boxed(depth: u32) -> Boxed<'static> {
    Box::pin(lowered(depth))
}

#[bulkhead(max = 10, queue = 20)]
async fn lowered(depth: u32) -> Result<u32, Rejected> {
    sleep(ms(100)).await;
    if depth == 0 { Ok(0) } else { Ok(lowered_boxed(depth - 1).await? + 1) }
}

fn keyed_lowered_boxed(depth: u32) -> Boxed<'static> {
    Box::pin(keyed_lowered(depth, 1))
}

#[bulkhead(max = 10, queue = 20, key = key)]
async fn keyed_lowered(depth: u32, key: u32) -> Result<u32, Rejected> {
    let _ = key;
    sleep(ms(100)).await;
    if depth == 0 { Ok(0) } else { Ok(keyed_lowered_boxed(depth - 1).await? + 1) }
}

fn lower(call: &str, max: u32) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.own();
    set(&mut spec, "bulkhead", "max", Raw::Int(max.into())).unwrap();
    site.configure(&spec);
}

/// A place is found for nobody until all of those inside but two have left.
#[tokio::test(start_paused = true)]
async fn a_function_that_calls_itself_ends_where_its_places_became_fewer_meanwhile() {
    for (name, call) in [
        ("recursion::lowered", lowered_boxed as fn(u32) -> Boxed<'static>),
        ("recursion::keyed_lowered", keyed_lowered_boxed),
    ] {
        for max in [1, 3, 5] {
            lower(name, 10);
            let inside: Vec<_> = (0..5).map(|_| tokio::spawn(call(2))).collect();
            sleep(ms(50)).await;
            lower(name, max);
            // Those who come later wait behind them, and are bound by the new number.
            let later: Vec<_> = (0..5).map(|_| tokio::spawn(call(1))).collect();
            for (call, depth) in
                inside.into_iter().map(|call| (call, 2)).chain(later.into_iter().map(|call| (call, 1)))
            {
                let ended = timeout(ms(60_000), call).await;
                assert_eq!(ended.unwrap_or_else(|_| panic!("{name} hangs with {max}")).unwrap(), Ok(depth));
            }
        }
    }
}

fn spawned_boxed(key: u32) -> Boxed<'static> {
    Box::pin(spawned(key, false))
}

#[cached(ttl = 10s, key = key)]
async fn spawned(key: u32, again: bool) -> Result<u32, Rejected> {
    if again {
        return tokio::spawn(spawned_boxed(key)).await.unwrap();
    }
    Ok(key)
}

/// A spawned task is no part of the load that waits for it: nobody can see that it is recursion, and the log tells what it may be.
#[tokio::test(start_paused = true)]
async fn a_load_that_waits_for_a_task_that_waits_for_it_is_told() {
    let warnings = Warnings::default();
    let _other = tracing::Dispatch::new(Warnings::default());
    let _default = tracing::subscriber::set_default(warnings.clone());
    for (key, seconds, told) in [(1, 59, 0), (2, 90, 1), (3, 90, 1)] {
        timeout(ms(seconds * 1000), spawned(key, true)).await.unwrap_err();
        assert_eq!(warnings.0.lock().unwrap().len(), told, "{key}");
    }
    let all = warnings.0.lock().unwrap().clone();
    assert!(
        all[0].contains("recursion::spawned") && all[0].contains("a task that asks for the same key"),
        "{all:?}"
    );
}

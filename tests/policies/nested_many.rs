//! Functions under one policy with several calls that they make at once, or that they leave behind.

use std::cell::Cell;

use hardening::{CircuitState, Rejected, bulkhead, circuit, circuit_breaker, context, hedged, policy};
use tokio::time::{Instant, advance, sleep};

use super::support::ms;

policy! {
    static NEST_FAN: CircuitBreaker = { failure_rate = 50%, window = 10s, open_for = 1s };
    static NEST_FAN_ONE: CircuitBreaker = { consecutive = 3, open_for = 1s, probes = 1 };
    static NEST_FAN_RAMP: CircuitBreaker = { consecutive = 3, open_for = 1s, ramp = 10s };
    static NEST_LEFT: Bulkhead = { max = 1, queue = 10 };
    static NEST_DEEP: Bulkhead = { max = 1, queue = 10 };
    static NEST_BESIDE: Bulkhead = { max = 2, queue = 10 };
    static NEST_ALONE: CircuitBreaker = { consecutive = 3, open_for = 1s, probes = 1 };
}

/// A function that makes four calls at once, under one circuit with them.
macro_rules! fans {
    ($($page:ident $part:ident = $circuit:ident;)+) => {$(
        #[circuit_breaker($circuit)]
        async fn $page(fails: bool) -> Result<u32, Rejected> {
            let (a, b, c, d) = tokio::join!($part(fails), $part(fails), $part(fails), $part(fails));
            Ok(a? + b? + c? + d?)
        }

        #[circuit_breaker($circuit)]
        async fn $part(fails: bool) -> Result<u32, Rejected> {
            sleep(ms(1)).await;
            if fails { Err(Rejected::ShuttingDown) } else { Ok(1) }
        }
    )+};
}

fans! {
    fan_page fan_part = NEST_FAN;
    fan_one_page fan_one_part = NEST_FAN_ONE;
    fan_ramp_page fan_ramp_part = NEST_FAN_RAMP;
}

/// Functions that call themselves twice, under a circuit of their own.
macro_rules! fans_to_itself {
    ($($name:ident ($($key:tt)*))+) => {$(
        #[circuit_breaker(consecutive = 3, open_for = 1s, probes = 1 $($key)*)]
        async fn $name(depth: u32, fails: bool) -> Result<u32, Rejected> {
            sleep(ms(1)).await;
            if fails {
                return Err(Rejected::ShuttingDown);
            }
            if depth == 0 {
                return Ok(1);
            }
            let (one, other) = (Box::pin($name(depth - 1, fails)), Box::pin($name(depth - 1, fails)));
            let (one, other) = tokio::join!(one, other);
            Ok(one? + other?)
        }
    )+};
}

fans_to_itself! {
    fan_self ()
    fan_keyed (, key = 7)
}

/// How many of a hundred calls, one each tenth of a second, fail once whatever they ask has healed.
async fn failed_after_healing<F>(mut call: impl FnMut(bool) -> F) -> u32
where
    F: Future<Output = Result<u32, Rejected>>,
{
    for _ in 0..40 {
        let _ = call(true).await;
    }
    let mut failed = 0;
    for _ in 0..100 {
        advance(ms(100)).await;
        failed += u32::from(call(false).await != Ok(4));
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn a_function_that_makes_calls_at_once_under_its_own_circuit_heals() {
    assert!(failed_after_healing(fan_page).await <= 11, "open for a second and no longer");
    assert!(failed_after_healing(fan_one_page).await <= 11);
    assert!(failed_after_healing(|fails| fan_self(2, fails)).await <= 11);
    assert!(failed_after_healing(|fails| fan_keyed(2, fails)).await <= 11);
    assert_eq!(circuit("NEST_FAN").unwrap().state(), CircuitState::Closed);
    // Under a ramp pages are held back, and none that was admitted is refused inside.
    let failed = failed_after_healing(fan_ramp_page).await;
    assert!((11..=60).contains(&failed), "{failed}");
    assert_eq!(circuit("NEST_FAN_RAMP").unwrap().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_inside_are_refused_once_the_circuit_is_open() {
    for _ in 0..3 {
        let _ = fan_part_alone(true).await;
    }
    advance(ms(1100)).await;
    assert!(fan_alone(true).await.is_err());
    assert_eq!(circuit("NEST_ALONE").unwrap().state(), CircuitState::Open);
    assert!(matches!(fan_part_alone(false).await, Err(Rejected::CircuitOpen { .. })));
}

#[circuit_breaker(NEST_ALONE)]
async fn fan_alone(fails: bool) -> Result<u32, Rejected> {
    let (a, b) = tokio::join!(fan_part_alone(fails), fan_part_alone(fails));
    Ok(a? + b?)
}

#[circuit_breaker(NEST_ALONE)]
async fn fan_part_alone(fails: bool) -> Result<u32, Rejected> {
    sleep(ms(1)).await;
    if fails { Err(Rejected::ShuttingDown) } else { Ok(1) }
}

thread_local! {
    static LEFT_INSIDE: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

#[bulkhead(NEST_LEFT)]
async fn left_inner() -> Result<(), Rejected> {
    let enter = |(now, most): (u32, u32)| (now + 1, most.max(now + 1));
    LEFT_INSIDE.set(enter(LEFT_INSIDE.get()));
    sleep(ms(100)).await;
    let (now, most) = LEFT_INSIDE.get();
    LEFT_INSIDE.set((now - 1, most));
    Ok(())
}

/// Begins a call, and hands it to a task that goes on with it when it takes too long.
#[bulkhead(NEST_LEFT)]
async fn left_outer(ends: u32) -> Result<u32, Rejected> {
    let mut inner = Box::pin(left_inner());
    if tokio::time::timeout(ms(10), &mut inner).await.is_err() {
        tokio::task::spawn_local(inner);
    }
    match ends {
        0 => Ok(0),
        1 => Err(Rejected::ShuttingDown),
        2 => std::future::pending().await,
        _ => panic!("ends"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_the_one_it_began_in_keeps_its_place() {
    let local = tokio::task::LocalSet::new();
    let running = async {
        for ends in [0, 1, 2, 3, 0] {
            // Returned, failed, dropped by its caller, panicked.
            let outer = tokio::task::spawn_local(tokio::time::timeout(ms(50), left_outer(ends)));
            let other = tokio::task::spawn_local(left_inner());
            let _ = outer.await;
            assert_eq!(other.await.unwrap(), Ok(()));
        }
        sleep(ms(500)).await;
        assert_eq!(LEFT_INSIDE.get(), (0, 1), "one place, one at a time");
        let began = Instant::now();
        assert_eq!(left_inner().await, Ok(()));
        assert_eq!(began.elapsed(), ms(100), "the place is free");
    };
    local.run_until(running).await;
}

/// How many bodies there are at once of a function that outlives the ones it began in.
macro_rules! outlives {
    ($inner:ident, $inside:ident, $policy:ident) => {
        thread_local! {
            static $inside: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
        }

        #[bulkhead($policy)]
        async fn $inner() -> Result<(), Rejected> {
            let (now, most) = $inside.get();
            $inside.set((now + 1, most.max(now + 1)));
            sleep(ms(100)).await;
            let (now, most) = $inside.get();
            $inside.set((now - 1, most));
            Ok(())
        }
    };
}

outlives!(deep_inner, DEEP_INSIDE, NEST_DEEP);
outlives!(beside_inner, BESIDE_INSIDE, NEST_BESIDE);

#[bulkhead(NEST_DEEP)]
async fn deep_middle() -> Result<(), Rejected> {
    let mut inner = Box::pin(deep_inner());
    if tokio::time::timeout(ms(10), &mut inner).await.is_err() {
        tokio::task::spawn_local(inner);
    }
    Ok(())
}

#[bulkhead(NEST_DEEP)]
async fn deep_outer() -> Result<(), Rejected> {
    deep_middle().await
}

/// Leaves a call behind in the execution of this number; the second one answers first.
#[bulkhead(NEST_BESIDE)]
#[hedged(after = 20ms, max = 1, idempotent, budget = 100%)]
async fn beside_outer(leaves: u32) -> Result<(), Rejected> {
    let execution = context::attempt();
    if execution == leaves {
        let mut inner = Box::pin(beside_inner());
        if tokio::time::timeout(ms(10), &mut inner).await.is_err() {
            tokio::task::spawn_local(inner);
        }
    }
    if execution == 1 {
        sleep(ms(1000)).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_two_levels_keeps_the_place_of_the_outermost() {
    let local = tokio::task::LocalSet::new();
    let running = async {
        for _ in 0..5 {
            assert_eq!(deep_outer().await, Ok(()));
        }
        sleep(ms(500)).await;
        assert_eq!(DEEP_INSIDE.get(), (0, 1));
        let began = Instant::now();
        assert_eq!(deep_inner().await, Ok(()));
        assert_eq!(began.elapsed(), ms(100), "the place is free");
    };
    local.run_until(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_a_race_of_executions_keeps_a_place() {
    for leaves in [1, 2] {
        BESIDE_INSIDE.set((0, 0));
        let local = tokio::task::LocalSet::new();
        let running = async {
            for _ in 0..8 {
                // Where both places are kept, the outer call waits for one.
                let _ = tokio::time::timeout(ms(300), beside_outer(leaves)).await;
            }
            sleep(ms(2000)).await;
            let (now, most) = BESIDE_INSIDE.get();
            assert!(now == 0 && most <= 2, "execution {leaves}: {most}");
            let began = Instant::now();
            assert_eq!(tokio::join!(beside_inner(), beside_inner()), (Ok(()), Ok(())));
            assert_eq!(began.elapsed(), ms(100), "both places are free");
        };
        local.run_until(running).await;
    }
}

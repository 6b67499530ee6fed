//! Faults in place of bodies.

use std::time::Duration;

use hardening::testing::{Fault, Recorder, What, alone, inject, record, seed};
use hardening::{
    CircuitState, Rejected, circuit, circuit_breaker, fallback, hardened, hedged, retry, timeout,
};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

#[retry(attempts = 3, backoff = 10ms, jitter = none, idempotent)]
#[circuit_breaker(consecutive = 20, open_for = 5s)]
#[timeout(100ms)]
async fn price(runs: &mut u32) -> Result<u32, Rejected> {
    *runs += 1;
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_failure_of_the_dependency_and_chs_09_is_innermost() {
    let _alone = alone();
    let mut runs = 0;
    let fault = inject("faults::price", Fault::error().times(2));
    assert_eq!(price(&mut runs).await, Ok(7));
    assert_eq!(runs, 1, "two attempts were faults, the third ran");
    drop(fault);
    let _fault = inject("faults::price", Fault::error());
    assert_eq!(price(&mut runs).await, Err(Rejected::Injected { call: "faults::price" }));
    assert_eq!(runs, 1);
    for _ in 0..6 {
        let _ = price(&mut runs).await;
    }
    assert_eq!(circuit("faults::price").unwrap().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_latency_and_a_hang_are_cut_by_the_timeout() {
    let _alone = alone();
    let (mut runs, began) = (0, Instant::now());
    let _fault = inject("faults::price", Fault::latency(30 * MS).times(1));
    assert_eq!(price(&mut runs).await, Ok(7));
    assert_eq!((runs, began.elapsed()), (1, 30 * MS));
    let (_hang, began) = (inject("faults::price", Fault::hang()), Instant::now());
    assert!(matches!(price(&mut runs).await, Err(Rejected::Timeout { .. })));
    assert_eq!((runs, began.elapsed()), (1, 320 * MS), "three timeouts and two backoffs");
}

#[hardened]
async fn observed() -> u32 {
    7
}

#[tokio::test(start_paused = true)]
async fn a_panic_goes_on_unwinding_and_counts() {
    let _alone = alone();
    let _fault = inject("faults::observed", Fault::panic().times(1));
    let panicked = tokio::spawn(observed()).await.unwrap_err();
    assert!(panicked.is_panic());
    assert_eq!(observed().await, 7);
    let mut metrics = String::new();
    hardening::telemetry::calls::render(&mut metrics);
    assert!(metrics.contains("hardening_calls_total{call=\"faults::observed\",outcome=\"panicked\"} 1"));
}

#[fallback(Ok(1), on = Rejected::ShuttingDown)]
async fn covered() -> Result<u32, Rejected> {
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn chs_01_chs_03_chs_04_chs_10_a_rate_is_kept_and_a_seed_repeats_it() {
    let _alone = alone();
    let run = async |rate: f64| {
        seed(42);
        let _fault = inject("faults::covered", Fault::error().at_rate(rate));
        let mut faults = Vec::new();
        for _ in 0..100 {
            faults.push(covered().await == Ok(1));
        }
        faults
    };
    let count = |faults: &[bool]| faults.iter().filter(|fault| **fault).count();
    let half = run(0.5).await;
    assert!((35..=65).contains(&count(&half)), "{}", count(&half));
    assert_eq!(half, run(0.5).await, "the same seed, the same sequence");
    assert_eq!(count(&run(1.7).await), 100);
    assert_eq!(count(&run(-0.3).await), 0);
    assert_eq!(count(&run(f64::NAN).await), 0);
    assert_eq!(count(&run(1.0).await), 100, "chs_02: at a rate of 1 always");
    assert_eq!(count(&run(0.0).await), 0, "chs_02: at a rate of 0 never");
    // As many of both: each below the share, none above it.
    let fifth = run(0.2).await;
    assert!(half.iter().zip(&fifth).all(|(half, fifth)| *half || !fifth), "the draws are the same");
    assert_eq!(covered().await, Ok(7), "gone when dropped");
}

#[hedged(after = 20ms, idempotent)]
async fn tardy() -> Result<u32, Rejected> {
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn each_execution_of_a_hedge_has_its_own_fault() {
    let _alone = alone();
    let began = Instant::now();
    let _fault = inject("faults::tardy", Fault::hang().times(1));
    assert_eq!(tardy().await, Ok(7));
    assert_eq!(began.elapsed(), 20 * MS);
    let _error = inject("faults::tardy", Fault::error());
    assert_eq!(tardy().await, Err(Rejected::Injected { call: "faults::tardy" }));
}

#[tokio::test(start_paused = true)]
async fn chs_05_a_latency_is_exact_and_the_body_runs_after_it() {
    let _alone = alone();
    let slow = inject("faults::covered", Fault::latency(250 * MS).times(2));
    let began = Instant::now();
    assert_eq!((covered().await, began.elapsed()), (Ok(7), 250 * MS));
    // Cancelled within it: the body never began, and the fault has happened.
    let call = tokio::spawn(covered());
    tokio::time::sleep(100 * MS).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let began = Instant::now();
    assert_eq!((covered().await, began.elapsed()), (Ok(7), Duration::ZERO));
    drop(slow);
    let _none = inject("faults::covered", Fault::latency(Duration::ZERO));
    assert_eq!((covered().await, began.elapsed()), (Ok(7), Duration::ZERO));
}

/// An outcome is injected as the refusal that it is; what the body would have answered is the fallback's to say.
#[tokio::test(start_paused = true)]
async fn chs_07_an_injected_outcome_is_what_the_caller_gets_without_the_body() {
    let _alone = alone();
    let _fault = inject("faults::price", Fault::error());
    let mut runs = 0;
    let Err(rejected) = price(&mut runs).await else { panic!("the body ran") };
    assert_eq!((rejected.kind(), runs), ("injected", 0));
    let _covered = inject("faults::covered", Fault::error());
    assert_eq!(covered().await, Ok(1));
}

/// What happened can be told: each fault is an event before what it led to.
#[tokio::test(start_paused = true)]
async fn chs_08_a_fault_is_an_event_of_its_call_and_several_are_tried_in_order() {
    let _alone = alone();
    let _first = inject("faults::price", Fault::error().times(1));
    let second = inject("faults::price", Fault::latency(30 * MS).times(1));
    let never = inject("faults::price", Fault::hang().at_rate(0.0));
    let recorder = record("faults::price");
    let (mut runs, began) = (0, Instant::now());
    assert_eq!(price(&mut runs).await, Ok(7));
    assert_eq!((runs, began.elapsed()), (1, 40 * MS), "a backoff, then the latency");
    let faults =
        |recorder: &Recorder| recorder.order().into_iter().filter(|what| *what == What::Fault).count();
    assert_eq!(faults(&recorder), 2);
    recorder.clear();
    assert_eq!(price(&mut runs).await, Ok(7));
    assert_eq!(faults(&recorder), 0);
    drop((second, never));
}

#[tokio::test(start_paused = true)]
async fn chs_06_a_caller_that_left_meets_no_fault() {
    let _alone = alone();
    let _fault = inject("faults::price", Fault::error().times(1));
    let recorder = record("faults::price");
    let mut runs = 0;
    {
        // Dropped before its first poll.
        let call = price(&mut runs);
        drop(call);
    }
    assert_eq!(recorder.order(), []);
    assert_eq!(price(&mut runs).await, Ok(7));
    assert_eq!(runs, 1, "the fault was still there");
}

#[tokio::test(start_paused = true)]
async fn chs_06_what_is_refused_before_its_body_meets_no_fault() {
    let _alone = alone();
    circuit("faults::price").unwrap().force_open();
    let fault = inject("faults::price", Fault::error().times(1));
    let mut runs = 0;
    assert!(matches!(price(&mut runs).await, Err(Rejected::CircuitOpen { .. })));
    circuit("faults::price").unwrap().automatic();
    assert_eq!(price(&mut runs).await, Ok(7));
    assert_eq!(runs, 1, "the fault was still there for the first attempt, the second ran");
    drop(fault);
}

#[test]
#[should_panic(expected = "did you mean `faults::price`?")]
fn an_unknown_call_is_named_with_the_nearest() {
    let _fault = inject("faults::prize", Fault::error());
}

#[test]
#[should_panic(expected = "has no policy")]
fn a_call_without_policies_cannot_fail() {
    let _fault = inject("faults::observed", Fault::error());
}

//! Probes that run still, and a circuit that reopens in steps while settings change.

use std::time::Duration;

use hardening::{CircuitState, Rejected, circuit, circuit_breaker, circuit_of, policy, retry};
use hardening_spec::settings::{Raw, set};
use tokio::time::sleep;

use super::support::ms;

policy! {
    static SLOW_PROBES: CircuitBreaker =
        { consecutive = 1, open_for = 5s, probes = 3, slow_call = 1s, probe_timeout = 60s };
}

async fn answers(takes: u64, good: bool) -> Result<u64, Rejected> {
    sleep(ms(takes)).await;
    if good { Ok(takes) } else { Err(Rejected::ShuttingDown) }
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 3, slow_call = 1s)]
async fn own(takes: u64, good: bool) -> Result<u64, Rejected> {
    answers(takes, good).await
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 3, slow_call = 1s, probe_timeout = 60s, key = 7)]
async fn keyed(takes: u64, good: bool) -> Result<u64, Rejected> {
    answers(takes, good).await
}

#[retry(attempts = 2, backoff = 1ms, budget = none, idempotent)]
#[circuit_breaker(SLOW_PROBES)]
async fn shared(takes: u64, good: bool) -> Result<u64, Rejected> {
    answers(takes, good).await
}

/// A probe that is slow already cannot close the circuit: nobody waits for its answer.
#[tokio::test(start_paused = true)]
async fn a_probe_that_runs_beyond_slow_call_has_failed_at_that_moment() {
    macro_rules! reopens {
        ($($call:ident $circuit:expr;)+) => {$(
            let circuit = || $circuit.unwrap();
            let _ = $call(0, false).await;
            sleep(ms(5000)).await;
            let slow = tokio::spawn($call(30_000, true));
            let quick = [tokio::spawn($call(5, true)), tokio::spawn($call(5, true))];
            sleep(ms(900)).await;
            assert_eq!(circuit().state(), CircuitState::HalfOpen, stringify!($call));
            let left = $call(0, true).await.unwrap_err().retry_after();
            assert_eq!(left, Some(ms(100)), "{}: when it is slow", stringify!($call));
            sleep(ms(600)).await;
            assert_eq!(circuit().state(), CircuitState::Open, "{}: nobody called", stringify!($call));
            assert_eq!(circuit().retry_after(), ms(4500), "{}: from the moment on", stringify!($call));
            sleep(ms(4500)).await;
            for _ in 0..3 {
                assert_eq!($call(1, true).await, Ok(1), stringify!($call));
            }
            assert_eq!(circuit().state(), CircuitState::Closed);
            for probe in quick {
                assert_eq!(probe.await.unwrap(), Ok(5));
            }
            assert_eq!(slow.await.unwrap(), Ok(30_000));
            assert_eq!(circuit().state(), CircuitState::Closed, "what it says in the end says nothing");
        )+};
    }
    reopens! {
        own circuit("probes::own");
        keyed circuit_of("probes::keyed", &7_i32);
        shared circuit("SLOW_PROBES");
    }
}

#[circuit_breaker(min_calls = 4, slow_call = 1s, slow_rate = 50%, open_for = 5s, key = k, max_keys = 1)]
async fn hangs_of(k: u32, takes: u64) -> Result<u32, Rejected> {
    answers(takes, true).await.map(|_| k)
}

/// A circuit whose window is empty and whose calls hang is not idle: its key keeps it.
#[tokio::test(start_paused = true)]
async fn a_key_whose_calls_hang_keeps_its_circuit() {
    let hung: Vec<_> = (0..4).map(|_| tokio::spawn(hangs_of(1, 60_000))).collect();
    sleep(ms(500)).await;
    assert_eq!(hangs_of(2, 1).await, Ok(2));
    sleep(ms(600)).await;
    assert_eq!(circuit_of("probes::hangs_of", &1_u32).unwrap().state(), CircuitState::Open);
    assert!(hangs_of(1, 1).await.is_err());
    assert_eq!(hangs_of(2, 1).await, Ok(2));
    for call in hung {
        call.abort();
    }
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1, ramp = 100s, key = k)]
async fn ramped(k: u32, good: bool) -> Result<u32, Rejected> {
    if good { Ok(k) } else { Err(Rejected::ShuttingDown) }
}

/// Each key has a ramp of its own, and settings end all of them.
#[tokio::test(start_paused = true)]
async fn settings_end_the_ramps_of_all_keys() {
    for k in [1, 2] {
        let _ = ramped(k, false).await;
    }
    sleep(ms(5000)).await;
    ramped(1, true).await.unwrap();
    sleep(Duration::from_secs(50)).await;
    ramped(2, true).await.unwrap();
    let mut passed = [0, 0];
    for _ in 0..200 {
        for k in [1, 2] {
            passed[k as usize - 1] += u32::from(ramped(k, true).await.is_ok());
        }
    }
    assert!((80..140).contains(&passed[0]) && (10..40).contains(&passed[1]), "{passed:?}");
    let site = hardening::catalogue::site("probes::ramped").unwrap();
    let mut spec = site.own();
    set(&mut spec, "circuit_breaker", "ramp", Raw::Text("none")).unwrap();
    site.configure(&spec);
    for k in [1, 2] {
        for _ in 0..50 {
            assert_eq!(ramped(k, true).await, Ok(k));
        }
    }
}

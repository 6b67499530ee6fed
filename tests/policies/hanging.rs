//! A dependency that hangs opens the circuit, however the calls end that wait for it.

use std::time::Duration;

use hardening::{
    Circuit, CircuitState, Rejected, circuit, circuit_breaker, circuit_of, deadline, hedged, policy, timeout,
};
use tokio::time::sleep;

use crate::support::ms;

policy! {
    static HANGING: CircuitBreaker = { min_calls = 20, slow_call = 200ms };
}

macro_rules! hangs {
    ($($(#[$attribute:meta])* $name:ident;)+) => {
        $(
            $(#[$attribute])*
            async fn $name() -> Result<u32, Rejected> {
                std::future::pending::<()>().await;
                Ok(1)
            }
        )+
    };
}

hangs! {
    #[circuit_breaker(min_calls = 20, slow_call = 200ms)] left;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms, window = 20)] left_of_calls;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms, key = 7_u32)] left_of_key;
    #[circuit_breaker(HANGING)] left_shared;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms)] #[hedged(after = 50ms, idempotent)] left_hedged;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms)] under_deadline;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms)] #[timeout(5s)] cut_by_deadline;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms, timeouts = ignore)] #[timeout(1s)] ignored;
    #[circuit_breaker(min_calls = 20, slow_call = 200ms, timeouts = ignore)] #[deadline(1s)] ignored_deadline;
    #[circuit_breaker(min_calls = 20, slow_call = 2s)] left_early;
    #[circuit_breaker(min_calls = 20)] without_slow_call;
}

#[deadline(1s)]
async fn within_deadline<F: Future<Output = Result<u32, Rejected>>>(call: F) -> Result<u32, Rejected> {
    call.await
}

/// Five calls a second whose callers leave after a second: the calls until the circuit is open, of 100.
async fn calls_until_open<F, C>(circuit: impl Fn() -> Circuit, call: C) -> u32
where
    F: Future<Output = Result<u32, Rejected>> + Send + 'static,
    C: Fn() -> F,
{
    for calls in 1..=100 {
        tokio::spawn(tokio::time::timeout(Duration::from_secs(1), call()));
        sleep(ms(200)).await;
        if circuit().state() == CircuitState::Open {
            return calls;
        }
    }
    u32::MAX
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_opens_the_circuit_whoever_gives_up_first() {
    macro_rules! opens {
        ($($name:literal $call:expr),+ $(,)?) => {
            [$(($name, calls_until_open(|| circuit($name).unwrap(), || $call).await)),+]
        };
    }
    let opened = opens![
        "hanging::left" left(),
        "hanging::left_of_calls" left_of_calls(),
        "HANGING" left_shared(),
        "hanging::left_hedged" left_hedged(),
        "hanging::under_deadline" within_deadline(under_deadline()),
        "hanging::cut_by_deadline" within_deadline(cut_by_deadline()),
        "hanging::ignored" ignored(),
        "hanging::ignored_deadline" ignored_deadline(),
    ];
    // Each has been slow 200 ms after it began.
    assert_eq!(
        opened.map(|(name, calls)| (name, calls == 20)),
        opened.map(|(name, _)| (name, true)),
        "{opened:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_key_too() {
    tokio::spawn(tokio::time::timeout(ms(300), left_of_key()));
    sleep(ms(1)).await;
    let of_key = || circuit_of("hanging::left_of_key", &7_u32).unwrap();
    assert_eq!(calls_until_open(of_key, left_of_key).await, 19);
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_before_a_call_is_slow_say_nothing() {
    let circuit = |name| move || circuit(name).unwrap();
    assert_eq!(calls_until_open(circuit("hanging::left_early"), left_early).await, u32::MAX);
    assert_eq!(circuit("hanging::left_early")().window(), (0, 0, 0));
    assert_eq!(calls_until_open(circuit("hanging::without_slow_call"), without_slow_call).await, u32::MAX);
    assert_eq!(circuit("hanging::without_slow_call")().window(), (0, 0, 0));
}

#[derive(Debug)]
enum Error {
    Ignored,
    Failed,
    Rejected(#[expect(dead_code, reason = "for the message")] Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[circuit_breaker(consecutive = 3, min_calls = 10, slow_call = 200ms, ignore = Error::Ignored)]
async fn mixed(millis: u64, result: Result<u32, Error>) -> Result<u32, Error> {
    sleep(ms(millis)).await;
    result
}

/// What is left is slow and no success: it does not end a row of failures. What `ignore` names counts as nothing.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_left_ends_no_row_of_failures() {
    let circuit = || circuit("hanging::mixed").unwrap();
    for _ in 0..2 {
        mixed(1, Err(Error::Failed)).await.unwrap_err();
    }
    tokio::time::timeout(ms(300), mixed(1000, Ok(1))).await.unwrap_err();
    assert_eq!(circuit().window(), (3, 2, 1));
    mixed(300, Err(Error::Ignored)).await.unwrap_err();
    assert_eq!((circuit().window(), circuit().state()), ((3, 2, 1), CircuitState::Closed));
    mixed(1, Err(Error::Failed)).await.unwrap_err();
    assert_eq!(circuit().state(), CircuitState::Open);
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1, slow_call = 200ms, timeouts = ignore)]
#[timeout(1s)]
async fn probed(millis: u64, good: bool) -> Result<u32, Rejected> {
    sleep(ms(millis)).await;
    if good { Ok(1) } else { Err(Rejected::ShuttingDown) }
}

/// A probe that ran beyond `slow_call` has failed, whether or not a timeout is a failure, and whether or not anybody looks meanwhile.
#[tokio::test(start_paused = true)]
async fn a_slow_probe_that_is_cut_or_left_has_failed() {
    let circuit = || circuit("hanging::probed").unwrap();
    probed(1, false).await.unwrap_err();
    for left in [true, false] {
        sleep(Duration::from_secs(5)).await;
        if left {
            tokio::time::timeout(ms(300), probed(2000, true)).await.unwrap_err();
        } else {
            probed(2000, true).await.unwrap_err();
        }
        assert_eq!(circuit().state(), CircuitState::Open, "left: {left}");
    }
    sleep(Duration::from_secs(5)).await;
    tokio::time::timeout(ms(100), probed(2000, true)).await.unwrap_err();
    assert_eq!(probed(1, true).await.unwrap(), 1, "one that was left early gave its place back");
    assert_eq!(circuit().state(), CircuitState::Closed);
}

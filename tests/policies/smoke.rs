//! One function under every policy.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, bulkhead, circuit_breaker, deadline, fallback, rate_limited, retry, timeout};

#[derive(Clone, Debug, PartialEq)]
enum Error {
    Io(u32),
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[fallback(Ok(format!("fallback for {sku}: {error:?}")))]
#[deadline(3s)]
#[rate_limited(100/s, burst = 20, key = sku.clone())]
#[retry(attempts = 3, backoff = 20ms..200ms, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, min_calls = 10, open_for = 2s)]
#[timeout(200ms)]
#[bulkhead(max = 10)]
async fn price(sku: String, good_after: u32) -> Result<String, Error> {
    let run = RUNS.fetch_add(1, Ordering::SeqCst);
    if run >= good_after { Ok(sku) } else { Err(Error::Io(run)) }
}

#[tokio::test(start_paused = true)]
async fn a_full_stack_repeats_and_falls_back() {
    assert_eq!(price("a".into(), 2).await, Ok("a".to_owned()));
    assert_eq!(RUNS.load(Ordering::SeqCst), 3);
    RUNS.store(0, Ordering::SeqCst);
    assert_eq!(price("a".into(), 9).await, Ok("fallback for a: Io(2)".to_owned()));
}

#[timeout(50ms)]
async fn slow() -> Result<u32, Error> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn a_timeout_cuts() {
    let before = tokio::time::Instant::now();
    let error = slow().await.unwrap_err();
    assert!(matches!(error, Error::Rejected(Rejected::Timeout { call: "smoke::slow", .. })), "{error:?}");
    assert_eq!(before.elapsed().as_millis(), 50);
}

/// The attribute's tokens come from a macro of the caller's, with its own hygiene.
macro_rules! stamped {
    ($name:ident, $delay:expr) => {
        #[fallback(Ok(if error == &Error::Io(7) { 7 } else { 0 }))]
        #[retry(attempts = 2, backoff = 1ms, retry_after = if *error == Error::Io(7) { Some($delay) } else { None }, idempotent)]
        async fn $name() -> Result<u32, Error> {
            Err(Error::Io(7))
        }
    };
}

stamped!(asked, Duration::from_secs(3));

#[tokio::test(start_paused = true)]
async fn error_is_in_scope_when_a_macro_writes_the_attribute() {
    let before = tokio::time::Instant::now();
    assert_eq!(asked().await, Ok(7));
    assert_eq!(before.elapsed().as_secs(), 3);
}

#[circuit_breaker(open_for = 1s)]
#[bulkhead(max = 1, queue = 50)]
async fn queued_probe(seconds: u64) -> Result<(), Rejected> {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_waits_for_a_place_is_not_late() {
    let holder = tokio::spawn(queued_probe(15));
    tokio::task::yield_now().await;
    let circuit = hardening::circuit("smoke::queued_probe").unwrap();
    circuit.open_for(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let probes: Vec<_> = (0..3).map(|_| tokio::spawn(queued_probe(0))).collect();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(matches!(queued_probe(0).await, Err(Rejected::CircuitOpen { .. })));
    assert_eq!(circuit.state(), hardening::CircuitState::HalfOpen);
    holder.await.unwrap().unwrap();
    for probe in probes {
        probe.await.unwrap().unwrap();
    }
    assert_eq!(circuit.state(), hardening::CircuitState::Closed);
}

type Reply = Result<u32, Rejected>;

#[hardening::hardened]
async fn aliased(good: bool) -> Reply {
    if good { Ok(1) } else { Err(Rejected::ShuttingDown) }
}

#[derive(Debug, PartialEq)]
struct Plain(u32);

#[hardening::hardened]
async fn plain() -> Plain {
    Plain(1)
}

#[tokio::test]
async fn an_alias_of_a_result_fails_like_one() {
    assert!(aliased(true).await.is_ok() && aliased(false).await.is_err());
    assert_eq!(plain().await, Plain(1));
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    for line in [
        "hardening_calls_total{call=\"smoke::aliased\",outcome=\"success\"} 1\n",
        "hardening_calls_total{call=\"smoke::aliased\",outcome=\"failure\"} 1\n",
        "hardening_calls_total{call=\"smoke::plain\",outcome=\"success\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

fn broken(error: &Error) -> bool {
    panic!("the guard breaks at {error:?}")
}

#[retry(attempts = 3, backoff = 1ms, on = error if broken(error), idempotent)]
#[circuit_breaker(consecutive = 2)]
async fn badly_guarded() -> Result<u32, Error> {
    Err(Error::Io(1))
}

#[fallback(Ok(0), on = error if broken(error))]
async fn badly_answered() -> Result<u32, Error> {
    Err(Error::Io(1))
}

#[tokio::test]
async fn a_pattern_that_panics_is_a_panic_of_the_call() {
    for _ in 0..2 {
        assert!(tokio::spawn(badly_guarded()).await.unwrap_err().is_panic());
    }
    assert!(matches!(badly_guarded().await, Err(Error::Rejected(Rejected::CircuitOpen { .. }))));
    assert!(tokio::spawn(badly_answered()).await.unwrap_err().is_panic());
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    for line in [
        "hardening_calls_total{call=\"smoke::badly_guarded\",outcome=\"panicked\"} 2\n",
        "hardening_attempts_total{call=\"smoke::badly_guarded\",outcome=\"panicked\"} 2\n",
        "hardening_calls_total{call=\"smoke::badly_answered\",outcome=\"panicked\"} 1\n",
        "hardening_attempts_total{call=\"smoke::badly_answered\",outcome=\"failure\"} 1\n",
        "hardening_attempts_total{call=\"smoke::badly_answered\",outcome=\"panicked\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[rate_limited(1000/s, key = who)]
#[rate_limited(1/s)]
async fn twice_limited(who: &str) -> Result<(), Rejected> {
    let _ = who;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_charge_given_back_is_not_counted_and_each_limit_has_its_series() {
    assert!(twice_limited("a").await.is_ok());
    assert!(twice_limited("a").await.is_err());
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    for (limiter, decision, count) in [
        ("smoke::twice_limited", "allowed", 1),
        ("smoke::twice_limited", "refused", 0),
        ("smoke::twice_limited.rate_limited_2", "allowed", 1),
        ("smoke::twice_limited.rate_limited_2", "refused", 1),
    ] {
        let line = format!(
            "hardening_rate_limit_decisions_total{{limiter=\"{limiter}\",decision=\"{decision}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
}

//! Numbers that are lowered while a call or a circuit waits for what they were before.

use std::cell::Cell;
use std::time::Duration;

use hardening::{CircuitState, Rejected, circuit, circuit_breaker, circuit_of, policy, retry};
use hardening_spec::settings::{Raw, set};
use tokio::time::{Instant, sleep};

use super::handover::Error;
use super::support::ms;

fn put(call: &str, section: &str, setting: &str, value: Raw<'_>) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.effective();
    set(&mut spec, section, setting, value).unwrap();
    site.configure(&spec);
}

#[circuit_breaker(consecutive = 1, open_for = 60s, probes = 1)]
async fn open(good: bool) -> Result<u32, Rejected> {
    if good { Ok(1) } else { Err(Rejected::ShuttingDown) }
}

#[circuit_breaker(consecutive = 1, open_for = 60s, probes = 1, key = 7_u32)]
async fn open_of_key(good: bool) -> Result<u32, Rejected> {
    if good { Ok(1) } else { Err(Rejected::ShuttingDown) }
}

policy! {
    static LOWERED: CircuitBreaker = { consecutive = 1, open_for = 60s, probes = 1 };
}

#[circuit_breaker(LOWERED)]
async fn open_shared(good: bool) -> Result<u32, Rejected> {
    if good { Ok(1) } else { Err(Rejected::ShuttingDown) }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_open_closes_as_soon_as_a_shorter_open_for_allows() {
    open(false).await.unwrap_err();
    sleep(ms(400)).await;
    put("lowered::open", "circuit_breaker", "open_for", Raw::Text("1s"));
    let circuit = circuit("lowered::open").unwrap();
    assert_eq!(circuit.retry_after(), ms(600), "from the opening on");
    assert_eq!(open(true).await.unwrap_err().retry_after(), Some(ms(600)));
    sleep(ms(600)).await;
    assert_eq!((circuit.state(), open(true).await), (CircuitState::HalfOpen, Ok(1)));
    assert_eq!(circuit.state(), CircuitState::Closed);
    // What an operator says is not bounded by numbers, and a longer period begins with the next opening.
    circuit.open_for(Duration::from_secs(30));
    assert_eq!(circuit.retry_after(), Duration::from_secs(30));
    circuit.close();
    open(false).await.unwrap_err();
    put("lowered::open", "circuit_breaker", "open_for", Raw::Text("20s"));
    assert_eq!(circuit.retry_after(), Duration::from_secs(1));

    open_of_key(false).await.unwrap_err();
    put("lowered::open_of_key", "circuit_breaker", "open_for", Raw::Text("1s..2s"));
    assert_eq!(circuit_of("lowered::open_of_key", &7_u32).unwrap().retry_after(), Duration::from_secs(2));

    open_shared(false).await.unwrap_err();
    let shared = hardening_runtime::policy::shared::policies()
        .into_iter()
        .find(|policy| policy.name() == "LOWERED")
        .unwrap();
    let mut spec = shared.effective();
    set(&mut spec, "circuit_breaker", "open_for", Raw::Text("1s")).unwrap();
    shared.configure(&spec);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(open_shared(true).await, Ok(1));
}

thread_local! {
    static ATTEMPTS: Cell<u32> = const { Cell::new(0) };
}

#[retry(attempts = 5, backoff = 1s, jitter = none, budget = none, idempotent)]
async fn repeated() -> Result<u32, Error> {
    ATTEMPTS.set(ATTEMPTS.get() + 1);
    Err(Error::Down)
}

/// An error that cannot be kept while the call waits.
#[derive(Debug)]
pub(super) enum NotShared {
    Down(#[expect(dead_code, reason = "for its type")] Cell<u32>),
    Rejected(#[expect(dead_code, reason = "for the message")] Rejected),
}

impl From<Rejected> for NotShared {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[retry(attempts = 3, backoff = 1s, jitter = none, budget = none, idempotent)]
async fn repeated_without_keeping() -> Result<u32, NotShared> {
    ATTEMPTS.set(ATTEMPTS.get() + 1);
    Err(NotShared::Down(Cell::new(1)))
}

#[tokio::test(start_paused = true)]
async fn fewer_attempts_end_a_backoff_with_the_error_of_the_last_one() {
    for (attempts, seconds, made) in [(2, 2, 2), (1, 2, 2), (3, 2, 3)] {
        put("lowered::repeated", "retry", "attempts", Raw::Int(5));
        ATTEMPTS.set(0);
        let began = Instant::now();
        let call = tokio::spawn(repeated());
        sleep(ms(1500)).await;
        put("lowered::repeated", "retry", "attempts", Raw::Int(attempts));
        assert_eq!(call.await.unwrap(), Err(Error::Down));
        assert_eq!((ATTEMPTS.get(), began.elapsed().as_secs()), (made, seconds), "{attempts}");
    }
    // What is not kept cannot be given: the attempt that was waited for is made, and is the last one.
    ATTEMPTS.set(0);
    let call = tokio::spawn(repeated_without_keeping());
    sleep(ms(500)).await;
    put("lowered::repeated_without_keeping", "retry", "attempts", Raw::Int(1));
    assert!(matches!(call.await.unwrap(), Err(NotShared::Down(_))));
    assert_eq!(ATTEMPTS.get(), 2);
}

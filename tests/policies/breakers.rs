//! What time alone does to a circuit, what it says while it is forced, and how it reopens.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use hardening::{
    CircuitState, Rejected, bulkhead, circuit, circuit_breaker, circuit_of, hedged, policy, retry, timeout,
};
use tokio::time::{advance, sleep};

use super::support::metric;

fn ended(call: &str, outcome: &str) -> u64 {
    metric(&format!("hardening_calls_total{{call=\"{call}\",outcome=\"{outcome}\"}}"))
}

async fn secs(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

fn retry_after<T: std::fmt::Debug>(answer: Result<T, Rejected>) -> Duration {
    match answer {
        Err(refused @ Rejected::CircuitOpen { .. }) => refused.retry_after().expect("something is due"),
        other => panic!("not refused: {other:?}"),
    }
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1)]
async fn probed(millis: u64, good: bool) -> Result<u64, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    if good { Ok(millis) } else { Err(Rejected::ShuttingDown) }
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1, key = key)]
async fn probed_of(key: u32, millis: u64, good: bool) -> Result<u64, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    if good { Ok(u64::from(key)) } else { Err(Rejected::ShuttingDown) }
}

policy! {
    static SHARED: CircuitBreaker = { consecutive = 1, open_for = 5s, probes = 1 };
}

#[circuit_breaker(SHARED)]
async fn shared(millis: u64, good: bool) -> Result<u64, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    if good { Ok(millis) } else { Err(Rejected::ShuttingDown) }
}

#[tokio::test(start_paused = true)]
async fn the_first_call_after_an_idle_hour_is_a_probe() {
    probed(0, false).await.unwrap_err();
    secs(5).await;
    let stuck = tokio::spawn(probed(100_000_000, true));
    secs(3600).await;
    assert_eq!(probed(1, true).await, Ok(1));
    assert_eq!(circuit("breakers::probed").unwrap().state(), CircuitState::Closed);
    stuck.abort();

    probed_of(7, 0, false).await.unwrap_err();
    secs(5).await;
    let stuck = tokio::spawn(probed_of(7, 100_000_000, true));
    secs(3600).await;
    assert_eq!(probed_of(7, 1, true).await, Ok(7));
    assert_eq!(circuit_of("breakers::probed_of", &7_u32).unwrap().state(), CircuitState::Closed);
    stuck.abort();

    shared(0, false).await.unwrap_err();
    secs(5).await;
    let stuck = tokio::spawn(shared(100_000_000, true));
    // Ten seconds for the probe, five open from then on.
    secs(12).await;
    assert_eq!(circuit("SHARED").unwrap().state(), CircuitState::Open, "nobody called");
    assert_eq!(circuit("SHARED").unwrap().retry_after(), Duration::from_secs(3));
    assert_eq!(retry_after(shared(0, true).await), Duration::from_secs(3));
    secs(3).await;
    assert_eq!(shared(1, true).await, Ok(1));
    stuck.abort();
}

#[circuit_breaker(consecutive = 1, open_for = 60s, probes = 1)]
#[timeout(60s)]
async fn hinted(millis: u64, good: bool) -> Result<u64, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    if good { Ok(millis) } else { Err(Rejected::ShuttingDown) }
}

#[circuit_breaker(consecutive = 1, open_for = 60s, probes = 1, probe_timeout = 50ms)]
async fn hinted_short(millis: u64, good: bool) -> Result<u64, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    if good { Ok(millis) } else { Err(Rejected::ShuttingDown) }
}

#[tokio::test(start_paused = true)]
async fn who_finds_a_probe_on_its_way_is_told_to_come_back_soon() {
    hinted(0, false).await.unwrap_err();
    assert_eq!(retry_after(hinted(0, true).await), Duration::from_mins(1));
    secs(60).await;
    let probe = tokio::spawn(hinted(50, true));
    tokio::task::yield_now().await;
    assert_eq!(retry_after(hinted(0, true).await), Duration::from_secs(1));
    probe.await.unwrap().unwrap();
    assert_eq!(hinted(0, true).await, Ok(0));

    hinted_short(0, false).await.unwrap_err();
    secs(60).await;
    let probe = tokio::spawn(hinted_short(40, true));
    sleep(Duration::from_millis(30)).await;
    assert_eq!(retry_after(hinted_short(0, true).await), Duration::from_millis(20), "what is left of it");
    probe.await.unwrap().unwrap();
}

#[circuit_breaker(consecutive = 1, open_for = 60s)]
async fn forced() -> Result<(), Rejected> {
    Ok(())
}

#[circuit_breaker(consecutive = 1, open_for = 60s, key = key)]
async fn forced_of(key: u32) -> Result<u32, Rejected> {
    Ok(key)
}

#[retry(attempts = 3, idempotent)]
#[circuit_breaker(mode = forced_open)]
async fn forced_and_retried() -> Result<(), Rejected> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_forced_open_says_so_and_that_nothing_is_due() {
    circuit("breakers::forced").unwrap().force_open();
    forced_of(1).await.unwrap();
    circuit_of("breakers::forced_of", &1_u32).unwrap().force_open();
    for refused in [
        forced().await.unwrap_err(),
        forced_of(1).await.unwrap_err(),
        forced_and_retried().await.unwrap_err(),
    ] {
        assert!(matches!(refused, Rejected::CircuitOpen { .. }), "{refused:?}");
        assert_eq!(refused.retry_after(), None);
        assert!(refused.to_string().contains("forced open"), "{refused}");
        #[cfg(feature = "service")]
        {
            let answer = axum::response::IntoResponse::into_response(refused);
            assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after")), (503, None));
        }
    }
    circuit("breakers::forced").unwrap().automatic();
    forced().await.unwrap();
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1, ramp = 10s)]
async fn ramped(good: bool) -> Result<(), Rejected> {
    if good { Ok(()) } else { Err(Rejected::ShuttingDown) }
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1, ramp = 10s, key = key)]
async fn ramped_of(key: u32, good: bool) -> Result<u32, Rejected> {
    if good { Ok(key) } else { Err(Rejected::ShuttingDown) }
}

policy! {
    static RAMPED: CircuitBreaker = { consecutive = 1, open_for = 5s, probes = 1, ramp = 10s };
}

#[circuit_breaker(RAMPED)]
async fn ramped_together(good: bool) -> Result<(), Rejected> {
    if good { Ok(()) } else { Err(Rejected::ShuttingDown) }
}

/// Of a hundred calls in each second, how many pass.
macro_rules! passed {
    ($call:expr) => {{
        let mut passed = Vec::new();
        for _ in 0..12 {
            let mut second = 0;
            for _ in 0..100 {
                second += u32::from($call.await.is_ok());
                sleep(Duration::from_millis(10)).await;
            }
            passed.push(second);
        }
        passed
    }};
}

fn grows(passed: &[u32]) {
    assert!(passed.is_sorted(), "{passed:?}");
    assert!((10..25).contains(&passed[0]) && (90..100).contains(&passed[9]), "{passed:?}");
    assert_eq!(passed[10..], [100, 100], "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_closes_admits_a_growing_share() {
    ramped(false).await.unwrap_err();
    secs(5).await;
    ramped(true).await.unwrap();
    grows(&passed!(ramped(true)));
    ramped_of(3, false).await.unwrap_err();
    ramped_together(false).await.unwrap_err();
    secs(5).await;
    ramped_of(3, true).await.unwrap();
    ramped_together(true).await.unwrap();
    assert!(passed!(ramped_of(4, true)).iter().all(|second| *second == 100), "another key's never opened");
    // The ramp of time, not of calls.
    assert_eq!(passed!(ramped_of(3, true)), [100; 12]);
    ramped_together(false).await.unwrap_err();
    secs(5).await;
    ramped_together(true).await.unwrap();
    grows(&passed!(ramped_together(true)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_while_reopening_is_short_and_a_failure_opens_again() {
    ramped_of(9, false).await.unwrap_err();
    secs(5).await;
    ramped_of(9, true).await.unwrap();
    ramped_of(9, true).await.unwrap();
    let state = || circuit_of("breakers::ramped_of", &9_u32).unwrap().state();
    assert_eq!(
        (state(), retry_after(ramped_of(9, true).await)),
        (CircuitState::Closed, Duration::from_secs(1))
    );
    sleep(Duration::from_millis(9700)).await;
    ramped_of(9, false).await.unwrap_err();
    assert_eq!(
        (state(), retry_after(ramped_of(9, true).await)),
        (CircuitState::Open, Duration::from_secs(5))
    );
}

#[circuit_breaker(min_calls = 10, slow_call = 1s, slow_rate = 50%, open_for = 5s)]
async fn hangs(millis: u64) -> Result<(), Rejected> {
    sleep(Duration::from_millis(millis)).await;
    Ok(())
}

#[circuit_breaker(min_calls = 10, slow_call = 1s, slow_rate = 50%, open_for = 5s, key = key)]
async fn hangs_of(key: u32, millis: u64) -> Result<u32, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    Ok(key)
}

policy! {
    static HANGS: CircuitBreaker = { min_calls = 10, slow_call = 1s, slow_rate = 50%, open_for = 5s };
}

#[circuit_breaker(HANGS)]
#[hedged(after = 100ms, idempotent)]
async fn hangs_beside(millis: u64) -> Result<(), Rejected> {
    sleep(Duration::from_millis(millis)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_opens_the_circuit_while_it_hangs() {
    let hung: Vec<_> = (0..10).map(|_| tokio::spawn(hangs(3_600_000))).collect();
    sleep(Duration::from_millis(999)).await;
    assert_eq!(circuit("breakers::hangs").unwrap().state(), CircuitState::Closed);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(retry_after(hangs(0).await), Duration::from_secs(5));
    for call in hung {
        call.abort();
    }

    let hung: Vec<_> = (0..10).map(|_| tokio::spawn(hangs_of(1, 3_600_000))).collect();
    secs(1).await;
    assert_eq!(retry_after(hangs_of(1, 0).await), Duration::from_secs(5));
    assert_eq!(hangs_of(2, 0).await, Ok(2));
    for call in hung {
        call.abort();
    }

    let hung: Vec<_> = (0..10).map(|_| tokio::spawn(hangs_beside(3_600_000))).collect();
    secs(1).await;
    assert_eq!(circuit("HANGS").unwrap().state(), CircuitState::Open, "a look is enough");
    assert_eq!(retry_after(hangs_beside(0).await), Duration::from_secs(5));
    for call in hung {
        call.abort();
    }
}

#[circuit_breaker(min_calls = 10, slow_call = 1s, slow_rate = 50%, open_for = 5s)]
async fn hangs_at_times(millis: u64) -> Result<(), Rejected> {
    sleep(Duration::from_millis(millis)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_slow_while_it_ran_is_counted_once_when_it_has_ended() {
    let slow: Vec<_> = (0..6).map(|_| tokio::spawn(hangs_at_times(2000))).collect();
    for _ in 0..7 {
        hangs_at_times(0).await.unwrap();
    }
    let window = || circuit("breakers::hangs_at_times").unwrap().window();
    sleep(Duration::from_millis(1500)).await;
    // Six slow ones of thirteen.
    hangs_at_times(0).await.unwrap();
    assert_eq!(window(), (8, 0, 0));
    for call in slow {
        call.await.unwrap().unwrap();
    }
    hangs_at_times(0).await.unwrap();
    assert_eq!(window(), (15, 0, 6));
    // Those that nobody waits for any longer say nothing.
    let left: Vec<_> = (0..50).map(|_| tokio::spawn(hangs_at_times(3_600_000))).collect();
    sleep(Duration::from_millis(500)).await;
    for call in left {
        call.abort();
    }
    secs(2).await;
    hangs_at_times(0).await.unwrap();
}

/// Panics when it is dropped while it waits.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor");
    }
}

async fn armed(millis: u64) -> Result<(), Rejected> {
    let bomb = Bomb;
    sleep(Duration::from_millis(millis)).await;
    std::mem::forget(bomb);
    Ok(())
}

#[circuit_breaker(consecutive = 1, open_for = 5s)]
#[timeout(1s)]
async fn bursts(millis: u64) -> Result<(), Rejected> {
    armed(millis).await
}

#[circuit_breaker(consecutive = 1, open_for = 5s)]
#[hedged(after = 100ms, idempotent)]
#[timeout(1s)]
async fn bursts_beside(millis: u64) -> Result<(), Rejected> {
    armed(millis).await
}

#[retry(attempts = 3, idempotent)]
#[circuit_breaker(consecutive = 1, open_for = 5s, timeouts = ignore)]
#[timeout(1s)]
async fn bursts_repeatedly(millis: u64) -> Result<(), Rejected> {
    armed(millis).await
}

#[tokio::test(start_paused = true)]
async fn a_destructor_that_panics_in_a_body_that_was_cut_is_a_panic_and_a_failure() {
    async fn panics(call: impl Future<Output = Result<(), Rejected>> + Send + 'static) -> bool {
        tokio::spawn(AssertUnwindSafe(call)).await.is_err_and(|error| error.is_panic())
    }
    assert!(
        panics(bursts(5000)).await
            && panics(bursts_beside(5000)).await
            && panics(bursts_repeatedly(5000)).await
    );
    for call in ["bursts", "bursts_beside", "bursts_repeatedly"].map(|call| format!("breakers::{call}")) {
        assert_eq!((ended(&call, "panicked"), ended(&call, "cancelled")), (1, 0), "{call}");
        assert_eq!(circuit(&call).unwrap().state(), CircuitState::Open, "{call}");
    }
    // Who is dropped because somebody else panics has panicked no more than who is dropped for another reason.
    let call = tokio::spawn(async {
        let mut waiting = std::pin::pin!(bursts_later());
        std::future::poll_fn(|cx| {
            assert!(waiting.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        panic!("not this call");
    });
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(
        (ended("breakers::bursts_later", "panicked"), ended("breakers::bursts_later", "cancelled")),
        (0, 1)
    );
    advance(Duration::from_secs(1)).await;
}

#[circuit_breaker(consecutive = 1)]
#[timeout(1s)]
async fn bursts_later() -> Result<(), Rejected> {
    secs(60).await;
    Ok(())
}

#[circuit_breaker(consecutive = 1, open_for = 1s, probes = 3)]
async fn fewer_probes(fails: bool) -> Result<(), Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_closes_when_fewer_probes_are_wanted_than_have_answered() {
    let _ = fewer_probes(true).await;
    sleep(Duration::from_millis(1001)).await;
    fewer_probes(false).await.unwrap();
    let site = hardening::catalogue::site("breakers::fewer_probes").unwrap();
    let mut spec = *site.declared();
    spec.circuit_breaker.as_mut().unwrap().probes = 1;
    site.configure(&spec);
    fewer_probes(false).await.unwrap();
    assert_eq!(circuit("breakers::fewer_probes").unwrap().state(), CircuitState::Closed);
}

policy! {
    static QUEUED: CircuitBreaker = { consecutive = 1, open_for = 1s, probes = 1, probe_timeout = 2s };
}

#[circuit_breaker(QUEUED)]
#[bulkhead(max = 1, queue = 5)]
async fn queued(millis: u64) -> Result<u64, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

#[circuit_breaker(QUEUED)]
async fn unqueued(good: bool) -> Result<u64, Rejected> {
    if good { Ok(0) } else { Err(Rejected::ShuttingDown) }
}

/// A probe that waits for a place asks nobody, so it must not keep the circuit half-open.
#[tokio::test(start_paused = true)]
async fn a_probe_in_a_queue_makes_room_for_another_when_its_time_is_over() {
    let occupant = tokio::spawn(queued(3_600_000));
    secs(1).await;
    assert!(unqueued(false).await.is_err());
    secs(2).await;
    let probe = tokio::spawn(queued(1));
    secs(1).await;
    assert_eq!(
        retry_after(unqueued(true).await),
        Duration::from_secs(1),
        "the probe may begin for another second"
    );
    secs(1).await;
    assert_eq!(unqueued(true).await, Ok(0), "it is the probe now, and closes the circuit");
    assert_eq!(circuit("QUEUED").unwrap().state(), CircuitState::Closed);
    occupant.abort();
    assert_eq!(probe.await.unwrap(), Ok(1), "the circuit is asked again, and admits");
    assert_eq!(circuit("QUEUED").unwrap().state(), CircuitState::Closed);
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1)]
#[bulkhead(max = 1, queue = 50)]
async fn behind_failures(asked: &std::sync::atomic::AtomicU32, good: bool) -> Result<u64, Rejected> {
    asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    sleep(Duration::from_millis(100)).await;
    if good { Ok(0) } else { Err(Rejected::ShuttingDown) }
}

/// They were admitted while the circuit was closed, and wait in front of a dependency that fails.
#[tokio::test(start_paused = true)]
async fn a_queue_does_not_go_on_to_ask_once_the_circuit_is_open() {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let ends = futures_join((0..20).map(|_| behind_failures(&asked, false))).await;
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1, "the first failure opens the circuit");
    assert!(matches!(ends[0], Err(Rejected::ShuttingDown)));
    assert!(ends[1..].iter().all(|end| matches!(end, Err(Rejected::CircuitOpen { .. }))), "{ends:?}");
    secs(6).await;
    let ends = futures_join((0..20).map(|_| behind_failures(&asked, true))).await;
    assert_eq!(
        ends.iter().filter(|end| end.is_ok()).count(),
        1,
        "one probe; the others found the circuit half-open"
    );
}

/// All of them side by side in one task.
async fn futures_join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, end) in &mut running {
            if end.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(cx)
            {
                *end = Some(ready);
            }
        }
        if running.iter().all(|(_, end)| end.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, end)| end).collect()
}

#[circuit_breaker(consecutive = 1, open_for = 5s, probes = 1, key = key, max_keys = 1)]
#[bulkhead(max = 1, queue = 5, key = key)]
async fn of_key(key: u32, millis: u64, good: bool) -> Result<u32, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    if good { Ok(key) } else { Err(Rejected::ShuttingDown) }
}

/// The circuit of a key is handed to another one while a call of the first waits: that call asks the circuit of its own key.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_asks_the_circuit_of_its_own_key_again() {
    let first = tokio::spawn(of_key(1, 100, true));
    tokio::task::yield_now().await;
    let waits = tokio::spawn(of_key(1, 0, true));
    tokio::task::yield_now().await;
    assert!(of_key(2, 0, false).await.is_err());
    assert_eq!(first.await.unwrap(), Ok(1));
    assert_eq!(waits.await.unwrap(), Ok(1), "key 1 never failed");
    assert_eq!(circuit_of("breakers::of_key", &2_u32).unwrap().state(), CircuitState::Open);
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<u32, Rejected>> + Send>>;

policy! {
    static BEFORE_PROBE: Bulkhead = { max = 1, queue = 5 };
}

fn calls_itself_boxed(depth: u32) -> Boxed {
    Box::pin(calls_itself(depth))
}

#[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1)]
#[bulkhead(BEFORE_PROBE)]
async fn calls_itself(depth: u32) -> Result<u32, Rejected> {
    if depth == 0 { Ok(0) } else { calls_itself_boxed(depth - 1).await }
}

#[bulkhead(BEFORE_PROBE)]
async fn occupies(millis: u64) -> Result<u32, Rejected> {
    sleep(Duration::from_millis(millis)).await;
    Ok(0)
}

/// It waited while its circuit opened, and is a probe when its turn comes.
#[tokio::test(start_paused = true)]
async fn a_probe_that_was_admitted_after_its_wait_lends_its_permit() {
    let occupant = tokio::spawn(occupies(3000));
    tokio::task::yield_now().await;
    let waits = tokio::spawn(calls_itself(2));
    secs(1).await;
    let circuit = circuit("breakers::calls_itself").unwrap();
    circuit.open_for(Duration::from_secs(1));
    occupant.await.unwrap().unwrap();
    assert_eq!(waits.await.unwrap(), Ok(0));
    assert_eq!(circuit.state(), CircuitState::Closed);
}

//! Keyed, shared and adaptive policies where they meet each other and the end of what they hold.

use std::time::Duration;

use hardening::{
    CircuitState, Rejected, bulkhead, cached, catalogue, circuit, circuit_breaker, circuit_of, fallback,
    policy, retry,
};
use tokio::time::{advance, sleep};

const WINDOW: Duration = Duration::from_secs(10);

mod inner {
    hardening::policy! {
        pub(super) static ELSEWHERE: CircuitBreaker = { window = super::WINDOW, consecutive = 1 };
    }
}
use inner::ELSEWHERE;

policy! {
    static TRIED: CircuitBreaker = { consecutive = 1, open_for = 5s, mode = metrics_only };
    static CLOSED_OFF: CircuitBreaker = { consecutive = 1, open_for = 5s, mode = forced_open };
}

#[circuit_breaker(TRIED)]
async fn tried() -> Result<(), Rejected> {
    Err(Rejected::ShuttingDown)
}

#[circuit_breaker(CLOSED_OFF)]
async fn closed_off() -> Result<(), Rejected> {
    Ok(())
}

#[circuit_breaker(ELSEWHERE)]
async fn imported() -> Result<(), Rejected> {
    Err(Rejected::ShuttingDown)
}

#[tokio::test(start_paused = true)]
async fn a_shared_circuit_begins_in_the_mode_that_it_says() {
    for _ in 0..5 {
        assert_eq!(tried().await, Err(Rejected::ShuttingDown), "it refuses nothing");
    }
    assert_eq!(circuit("TRIED").unwrap().state(), CircuitState::MetricsOnly);
    assert!(matches!(closed_off().await, Err(Rejected::CircuitOpen { .. })));
}

#[tokio::test(start_paused = true)]
async fn numbers_of_a_shared_policy_see_what_stands_around_it() {
    const PERIOD: Duration = Duration::from_secs(3);
    policy! {
        static LOCAL: CircuitBreaker = { consecutive = 1, open_for = PERIOD };
    }
    #[circuit_breaker(LOCAL)]
    async fn local() -> Result<(), Rejected> {
        Err(Rejected::ShuttingDown)
    }
    let _ = (local().await, imported().await);
    assert_eq!(local().await, Err(Rejected::CircuitOpen { circuit: "LOCAL", retry_after: PERIOD }));
    assert!(matches!(imported().await, Err(Rejected::CircuitOpen { circuit: "ELSEWHERE", .. })));
}

async fn busy(ms: u64, fails: bool) -> Result<(), Rejected> {
    tokio::task::yield_now().await;
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
    if fails { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[bulkhead(adaptive, initial = 20, max = 64)]
async fn quick(ms: u64) -> Result<(), Rejected> {
    busy(ms, false).await
}

#[bulkhead(adaptive, initial = 40, max = 64)]
async fn failing(ms: u64, fails: bool) -> Result<(), Rejected> {
    busy(ms, fails).await
}

#[bulkhead(adaptive, initial = 2, max = 64, key = tenant, max_keys = 1)]
async fn of_tenant(tenant: u32, ms: u64) -> Result<(), Rejected> {
    let _ = tenant;
    busy(ms, false).await
}

/// How many of so many calls at once pass.
async fn together<F>(count: usize, call: impl Fn() -> F) -> usize
where
    F: Future<Output = Result<(), Rejected>> + Send + 'static,
{
    let calls: Vec<_> = (0..count).map(|_| tokio::spawn(call())).collect();
    let mut passed = 0;
    for call in calls {
        passed += usize::from(call.await.unwrap().is_ok());
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn bodies_that_take_no_time_leave_an_adaptive_limit_a_number() {
    for (rounds, count, ms) in [(5, 60, 10), (5, 60, 100), (3, 100, 0), (3, 60, 10)] {
        for _ in 0..rounds {
            together(count, || quick(ms)).await;
        }
    }
    assert!(together(100, || quick(10)).await >= 1);
}

#[tokio::test(start_paused = true)]
async fn failures_teach_an_adaptive_limit_nothing() {
    for _ in 0..10 {
        together(40, || failing(100, false)).await;
    }
    let learnt = together(100, || failing(100, false)).await;
    for _ in 0..3 {
        together(20, || failing(1, true)).await;
    }
    for _ in 0..20 {
        together(60, || failing(100, false)).await;
    }
    assert!(together(100, || failing(100, false)).await >= learnt, "quick failures are no short answers");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_gets_another_one_s_bulkhead_begins_afresh() {
    for _ in 0..40 {
        together(80, || of_tenant(1, 10)).await;
    }
    assert!(together(100, || of_tenant(1, 10)).await > 20);
    assert_eq!(together(100, || of_tenant(2, 10)).await, 2, "what the key before had learnt is forgotten");
    let refused = async {
        let (_one, _two) = (tokio::spawn(of_tenant(2, 10)), tokio::spawn(of_tenant(2, 10)));
        tokio::task::yield_now().await;
        of_tenant(2, 10).await
    };
    assert!(matches!(refused.await, Err(Rejected::BulkheadFull { limit: 2, .. })), "the limit in force");
}

#[circuit_breaker(consecutive = 1, open_for = 5s, key = host, max_keys = 1)]
async fn one_key(host: &str) -> Result<usize, Rejected> {
    Ok(host.len())
}

#[circuit_breaker(min_calls = 10, window = 10s, open_for = 5s, key = host, max_keys = 2)]
async fn two_keys(host: &str, fails: bool) -> Result<usize, Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(host.len()) }
}

#[tokio::test(start_paused = true)]
async fn what_is_forced_belongs_to_its_key() {
    one_key("a").await.unwrap();
    circuit_of("corners::one_key", "a").unwrap().force_open();
    advance(Duration::from_mins(1)).await;
    assert_eq!(one_key("b").await, Ok(1), "another key is not forced");
    assert!(matches!(one_key("a").await, Err(Rejected::CircuitOpen { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_failure_long_ago_does_not_hold_a_place() {
    for host in ["a", "b"] {
        let _ = two_keys(host, true).await;
    }
    advance(Duration::from_hours(10)).await;
    for _ in 0..10 {
        let _ = two_keys("c", true).await;
    }
    assert!(two_keys("d", false).await.is_ok(), "c has a circuit of its own");
}

#[bulkhead(max = 1, key = k, max_keys = 2)]
async fn freed(k: u8) -> Result<(), Rejected> {
    let _ = k;
    busy(10, false).await
}

#[tokio::test(start_paused = true)]
async fn numbers_reach_the_states_that_no_key_holds() {
    for k in 1..=3 {
        freed(k).await.unwrap();
    }
    let site = catalogue::site("corners::freed").unwrap();
    let mut spec = *site.declared();
    spec.bulkhead = spec.bulkhead.map(|bulkhead| bulkhead.with_max(3));
    site.configure(&spec);
    for k in [3, 4] {
        assert_eq!(together(3, move || freed(k)).await, 3, "{k}");
    }
}

#[circuit_breaker(adaptive, window = 30s)]
async fn throttled(ms: u64) -> Result<(), Rejected> {
    busy(ms, false).await
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_circuit_refuses_neither_a_burst_nor_what_follows_cancelled_calls() {
    assert_eq!(together(200, || throttled(100)).await, 200);
    advance(Duration::from_mins(1)).await;
    for _ in 0..5 {
        let calls: Vec<_> = (0..4).map(|_| tokio::spawn(throttled(60_000))).collect();
        sleep(Duration::from_millis(3500)).await;
        for call in calls {
            call.abort();
        }
        sleep(Duration::from_millis(500)).await;
    }
    for _ in 0..20 {
        assert!(throttled(0).await.is_ok());
    }
}

#[fallback({ text.push('f'); Ok(text.clone()) })]
#[retry(attempts = 2, backoff = 1ms, idempotent)]
async fn changed_by_both(mut text: String, (mut list, _): (Vec<u32>, u32)) -> Result<String, Rejected> {
    text.push('b');
    list.push(1);
    if list.len() == 1 { Err(Rejected::ShuttingDown) } else { Ok(text) }
}

/// The body and the fallback change an argument, each its own.
#[tokio::test(start_paused = true)]
async fn an_argument_may_be_changed_by_the_body_and_by_the_fallback() {
    assert_eq!(changed_by_both("a".to_owned(), (Vec::new(), 0)).await.as_deref(), Ok("af"));
    assert_eq!(changed_by_both("a".to_owned(), (vec![1], 0)).await.as_deref(), Ok("ab"));
}

#[cached(ttl = 1m, key = sku, max_bytes = 1MiB)]
async fn weighed(sku: String, mut key_size: usize) -> Result<usize, Rejected> {
    tokio::task::yield_now().await;
    key_size += sku.len();
    Ok(key_size)
}

#[tokio::test(start_paused = true)]
async fn an_argument_named_like_a_size_is_the_callers() {
    assert_eq!(weighed("abc".to_owned(), 1000).await, Ok(1003));
}

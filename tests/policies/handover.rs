//! A load whose leader goes away, runs out of its caller's time, fails, or is not polled.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, bulkhead, cached, deadline, hedged, retry, timeout};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::support::ms;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Error {
    Down,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

pub(super) async fn joined<T>(asked: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut ends = Vec::new();
    for asked in asked {
        ends.push(asked.await.unwrap());
    }
    ends
}

/// Twenty tasks that ask after one other has.
pub(super) fn twenty<F: Future<Output: Send + 'static> + Send + 'static>(
    ask: impl Fn() -> F,
) -> Vec<JoinHandle<F::Output>> {
    (0..20).map(|_| tokio::spawn(ask())).collect()
}

static LOADS: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 10s, key = k)]
async fn slow(k: u32) -> Result<u32, Error> {
    LOADS.fetch_add(1, Ordering::SeqCst);
    sleep(ms(200)).await;
    Ok(k)
}

#[deadline(50ms)]
async fn hurried(k: u32) -> Result<u32, Error> {
    slow(k).await
}

#[timeout(50ms)]
async fn cut(k: u32) -> Result<u32, Error> {
    slow(k).await
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_callers_deadline_passes_hands_the_load_over() {
    for (k, lead) in [
        (1, Box::pin(hurried(1)) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>),
        (2, Box::pin(cut(2))),
        (
            3,
            Box::pin(async {
                let end = tokio::time::timeout(ms(50), slow(3)).await;
                end.unwrap_or(Err(Error::Down))
            }),
        ),
    ] {
        LOADS.store(0, Ordering::SeqCst);
        let leader = tokio::spawn(lead);
        tokio::task::yield_now().await;
        let began = Instant::now();
        let followers = twenty(|| slow(k));
        assert!(leader.await.unwrap().is_err(), "{k}");
        assert_eq!(joined(followers).await, vec![Ok(k); 20], "{k}");
        assert_eq!(LOADS.load(Ordering::SeqCst), 2, "{k}: one load at a time");
        assert!(began.elapsed() <= ms(260), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn hurried_followers_end_by_their_own_deadline_and_patient_ones_get_the_value() {
    let leader = tokio::spawn(hurried(11));
    tokio::task::yield_now().await;
    let hurried = twenty(|| hurried(11));
    let patient = twenty(|| slow(11));
    let late =
        |end: Result<u32, Error>| matches!(end, Err(Error::Rejected(Rejected::DeadlineExceeded { .. })));
    assert!(late(leader.await.unwrap()));
    assert!(joined(hurried).await.into_iter().all(late));
    assert_eq!(joined(patient).await, vec![Ok(11); 20]);
}

#[cached(ttl = 10s, key = k)]
#[retry(attempts = 3, backoff = 100ms, jitter = none, idempotent)]
async fn retried(k: u32, fails: &'static AtomicU32) -> Result<u32, Error> {
    match fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
        Ok(_) => Err(Error::Down),
        Err(_) => Ok(k),
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_time_for_its_next_attempt_hands_the_load_over() {
    static FAILS: AtomicU32 = AtomicU32::new(2);
    #[deadline(50ms)]
    async fn hurried(k: u32) -> Result<u32, Error> {
        held_up(k).await
    }
    #[cached(ttl = 10s, key = k)]
    #[retry(attempts = 3, backoff = 100ms, idempotent)]
    async fn held_up(k: u32) -> Result<u32, Error> {
        sleep(ms(10)).await;
        retried(k, &FAILS).await
    }
    let leader = tokio::spawn(hurried(1));
    tokio::task::yield_now().await;
    let followers = twenty(|| held_up(1));
    assert!(leader.await.unwrap().is_err());
    assert_eq!(joined(followers).await, vec![Ok(1); 20]);
}

/// The body's own error tells of the caller's deadline, since a call inside it kept that.
#[tokio::test(start_paused = true)]
async fn an_inner_call_that_keeps_the_callers_deadline_does_not_fail_the_followers() {
    #[timeout(10s)]
    async fn inner() -> Result<u32, Error> {
        sleep(ms(200)).await;
        Ok(7)
    }
    #[cached(ttl = 10s, key = ())]
    async fn outer() -> Result<u32, Error> {
        inner().await
    }
    #[deadline(50ms)]
    async fn hurried() -> Result<u32, Error> {
        outer().await
    }
    let leader = tokio::spawn(hurried());
    tokio::task::yield_now().await;
    let followers = twenty(outer);
    assert!(leader.await.unwrap().is_err());
    assert_eq!(joined(followers).await, vec![Ok(7); 20]);
}

#[cached(ttl = 10s, key = k, stale_if_error = 1m, jitter = 1%)]
async fn spare(k: u32, takes: u64) -> Result<u32, Error> {
    LOADS_OF_SPARE.fetch_add(1, Ordering::SeqCst);
    sleep(ms(takes)).await;
    Ok(k + LOADS_OF_SPARE.load(Ordering::SeqCst))
}

static LOADS_OF_SPARE: AtomicU32 = AtomicU32::new(0);

#[tokio::test(start_paused = true)]
async fn a_hurried_leader_gets_the_old_value_and_its_followers_the_new_one() {
    #[deadline(50ms)]
    async fn hurried() -> Result<u32, Error> {
        spare(100, 200).await
    }
    assert_eq!(spare(100, 0).await, Ok(101));
    sleep(Duration::from_secs(20)).await;
    let leader = tokio::spawn(hurried());
    tokio::task::yield_now().await;
    let followers = twenty(|| spare(100, 200));
    assert_eq!(leader.await.unwrap(), Ok(101));
    assert_eq!(joined(followers).await, vec![Ok(103); 20]);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_load_is_handed_over_too() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 10s, key = ())]
    #[hedged(after = 10ms, idempotent)]
    async fn hedged_load() -> Result<u32, Error> {
        RUNS.fetch_add(1, Ordering::SeqCst);
        sleep(ms(200)).await;
        Ok(5)
    }
    #[deadline(50ms)]
    async fn hurried() -> Result<u32, Error> {
        hedged_load().await
    }
    let leader = tokio::spawn(hurried());
    tokio::task::yield_now().await;
    let followers = twenty(hedged_load);
    assert!(leader.await.unwrap().is_err());
    assert_eq!(joined(followers).await, vec![Ok(5); 20]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_around_the_leader_is_not_the_loads() {
    let leader = tokio::spawn(async {
        let load = pin!(slow(31));
        let breaks = pin!(async {
            sleep(ms(50)).await;
            panic!("the caller breaks");
        });
        tokio::join!(load, breaks)
    });
    tokio::task::yield_now().await;
    let followers = twenty(|| slow(31));
    assert!(leader.await.unwrap_err().is_panic());
    assert_eq!(joined(followers).await, vec![Ok(31); 20]);
}

#[tokio::test(start_paused = true)]
async fn aborted_and_deselected_leaders_are_replaced() {
    for (k, aborts) in [(41, true), (42, false)] {
        let leader = tokio::spawn(async move {
            tokio::select! {
                _ = slow(k) => {}
                () = sleep(ms(50)), if !aborts => {}
            }
        });
        tokio::task::yield_now().await;
        let followers = twenty(|| slow(k));
        tokio::task::yield_now().await;
        if aborts {
            leader.abort();
        }
        assert_eq!(joined(followers).await, vec![Ok(k); 20]);
    }
}

/// The leader is polled once, and its future is kept.
#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_polled_is_replaced() {
    #[cached(ttl = 10s, key = k)]
    #[timeout(300ms)]
    async fn under_timeout(k: u32) -> Result<u32, Error> {
        sleep(ms(200)).await;
        Ok(k)
    }
    let mut leader = Box::pin(slow(51));
    assert!(futures_poll(leader.as_mut()).await.is_none());
    let began = Instant::now();
    assert_eq!(joined(twenty(|| slow(51))).await, vec![Ok(51); 20]);
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
    // What it brings in the end is its own caller's.
    assert_eq!(leader.await, Ok(51));
    let mut leader = Box::pin(under_timeout(1));
    assert!(futures_poll(leader.as_mut()).await.is_none());
    let began = Instant::now();
    assert_eq!(joined(twenty(|| under_timeout(1))).await, vec![Ok(1); 20]);
    assert!(began.elapsed() <= ms(600), "{:?}", began.elapsed());
}

async fn futures_poll<F: Future + ?Sized>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// One that takes its time, and is polled, keeps its load.
#[tokio::test(start_paused = true)]
async fn a_slow_leader_that_is_polled_stays_the_only_one() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 10s, key = ())]
    async fn very_slow() -> Result<u32, Error> {
        RUNS.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_mins(10)).await;
        Ok(1)
    }
    #[cached(ttl = 10s, key = ())]
    #[retry(attempts = 2, backoff = 5m, idempotent)]
    async fn backs_off() -> Result<u32, Error> {
        match RUNS.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Error::Down),
            _ => Ok(2),
        }
    }
    assert_eq!(joined(twenty(very_slow)).await, vec![Ok(1); 20]);
    assert_eq!(RUNS.swap(0, Ordering::SeqCst), 1);
    assert_eq!(joined(twenty(backs_off)).await, vec![Ok(2); 20]);
    assert_eq!(RUNS.load(Ordering::SeqCst), 2);
}

#[cached(ttl = 10s, key = k)]
async fn recursive(k: u32, depth: u32) -> Result<u32, Error> {
    sleep(ms(1)).await;
    if depth == 0 { Ok(k) } else { Box::pin(recursive(k, depth - 1)).await }
}

#[cached(ttl = 10s, key = k)]
async fn there(k: u32, again: bool) -> Result<u32, Error> {
    sleep(ms(1)).await;
    if again { Box::pin(back(k)).await } else { Ok(k) }
}

#[cached(ttl = 10s, key = k)]
async fn back(k: u32) -> Result<u32, Error> {
    sleep(ms(1)).await;
    Box::pin(there(k, false)).await.map(|value| value + 1)
}

#[tokio::test(start_paused = true)]
async fn a_load_that_asks_for_its_own_key_runs_without_the_cache() {
    let minute = Duration::from_mins(1);
    assert_eq!(tokio::time::timeout(minute, recursive(3, 4)).await, Ok(Ok(3)));
    assert_eq!(tokio::time::timeout(minute, there(1, true)).await.unwrap(), Ok(2));
    // Two tasks, each of whose loads waits for the other's.
    let both = vec![tokio::spawn(there(9, true)), tokio::spawn(back(9))];
    let ends = tokio::time::timeout(minute, joined(both)).await.unwrap();
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

#[cfg(feature = "service")]
#[tokio::test(start_paused = true)]
async fn requests_with_keys_of_their_own_follow_and_a_hurried_one_may_be_sent_again() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[hardening::idempotent(key = request, fingerprint = sku)]
    #[cached(ttl = 10s, key = sku)]
    async fn order(request: u32, sku: u32) -> Result<u32, Rejected> {
        RUNS.fetch_add(1, Ordering::SeqCst);
        sleep(ms(200)).await;
        Ok(sku)
    }
    #[deadline(50ms)]
    async fn hurried(request: u32) -> Result<u32, Rejected> {
        order(request, 7).await
    }
    let leader = tokio::spawn(hurried(0));
    tokio::task::yield_now().await;
    let followers: Vec<_> = (1..21).map(|request| tokio::spawn(order(request, 7))).collect();
    tokio::task::yield_now().await;
    assert!(matches!(order(0, 7).await, Err(Rejected::IdempotencyConflict { .. })), "it is being worked on");
    assert!(matches!(leader.await.unwrap(), Err(Rejected::DeadlineExceeded { .. })));
    assert_eq!(joined(followers).await, vec![Ok(7); 20]);
    assert_eq!((order(0, 7).await, RUNS.load(Ordering::SeqCst)), (Ok(7), 2));
}

#[tokio::test(start_paused = true)]
async fn a_leader_in_a_long_backoff_keeps_its_load() {
    static LOADS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 10m, key = ())]
    #[retry(attempts = 2, backoff = 5m, jitter = none, budget = none, idempotent)]
    async fn backs_off() -> Result<u32, Error> {
        if LOADS.fetch_add(1, Ordering::SeqCst) == 0 { Err(Error::Down) } else { Ok(7) }
    }
    assert_eq!(joined(twenty(backs_off)).await, vec![Ok(7); 20]);
    assert_eq!(LOADS.load(Ordering::SeqCst), 2);
}

/// Every request has a deadline: what the function's own policies end is ended for all the same.
#[tokio::test(start_paused = true)]
async fn the_functions_own_end_is_no_end_of_a_caller_with_time_left() {
    static LOADS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 10s, key = k)]
    #[bulkhead(max = 1, queue = 100, max_wait = 1s)]
    async fn queued(k: u32) -> Result<u32, Error> {
        sleep(Duration::from_mins(if k == 0 { 10 } else { 0 })).await;
        Ok(k)
    }
    #[cached(ttl = 10s, key = ())]
    #[retry(attempts = 100, backoff = 40ms, jitter = none, max_duration = 100ms, budget = none, idempotent)]
    async fn repeated() -> Result<u32, Error> {
        LOADS.fetch_add(1, Ordering::SeqCst);
        Err(Error::Down)
    }
    #[deadline(20m)]
    async fn asks(k: u32) -> Result<u32, Error> {
        queued(k).await
    }
    #[deadline(60s)]
    async fn asks_repeatedly() -> Result<u32, Error> {
        repeated().await
    }
    let holder = tokio::spawn(asks(0));
    tokio::task::yield_now().await;
    let began = Instant::now();
    let ends = joined(twenty(|| asks(1))).await;
    assert_eq!(began.elapsed(), ms(1000), "refused together");
    let full = |end: &Result<u32, Error>| matches!(end, Err(Error::Rejected(Rejected::BulkheadFull { .. })));
    assert!(ends.iter().all(full), "{ends:?}");
    holder.abort();
    assert_eq!(joined(twenty(asks_repeatedly)).await, vec![Err(Error::Down); 20]);
    assert_eq!(LOADS.load(Ordering::SeqCst), 3);
}

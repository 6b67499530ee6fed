//! What a retry takes from its budget, and when: between attempts, callers that leave, delays that others ask for.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hardening::testing::alone;
use hardening::{Rejected, bulkhead, hedged, policy, rate_limited, retry};
use tokio::time::{Instant, advance, sleep, timeout};

#[derive(Clone, Debug, PartialEq)]
enum Error {
    Failed(u32),
    Busy(Duration),
    Rejected(Rejected),
}

impl Error {
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Busy(wait) => Some(*wait),
            _ => None,
        }
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

fn series(name: &str) -> u64 {
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.trim().parse().expect("a whole number"))
}

/// What a budget would pay for, and retries that were made.
fn counted(call: &str) -> (u64, u64) {
    let left = series(&format!("hardening_retry_budget_remaining{{budget=\"{call}\"}}"));
    let retries = ["failure", "timeout", "refused"]
        .map(|reason| series(&format!("hardening_retries_total{{call=\"{call}\",reason=\"{reason}\"}}")));
    (left, retries.iter().sum())
}

#[retry(attempts = 2, backoff = 10s, jitter = none, idempotent)]
async fn left_alone(runs: Arc<AtomicU32>) -> Result<(), Error> {
    Err(Error::Failed(runs.fetch_add(1, Ordering::SeqCst)))
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_during_a_backoff_spend_nothing_and_are_not_counted() {
    let _alone = alone();
    let runs = Arc::new(AtomicU32::new(0));
    for _ in 0..100 {
        let left = timeout(Duration::from_millis(1), left_alone(Arc::clone(&runs))).await;
        assert!(left.is_err(), "it waits for its second attempt");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 100);
    // Each of the hundred paid a fifth.
    assert_eq!(counted("budgets::left_alone"), (30 + 20, 0));
    assert_eq!(left_alone(Arc::clone(&runs)).await, Err(Error::Failed(101)));
    assert_eq!(counted("budgets::left_alone").1, 1);
}

#[retry(attempts = 2, backoff = 1s, jitter = none, budget = 1%, idempotent)]
async fn crowded(number: u32, runs: Arc<AtomicU32>) -> Result<(), Error> {
    Err(Error::Failed(number + 1000 * runs.fetch_add(1, Ordering::SeqCst)))
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_empty_when_the_attempt_begins_gives_the_first_error() {
    let _alone = alone();
    let runs = Arc::new(AtomicU32::new(0));
    let calls: Vec<_> = (0..50).map(|number| tokio::spawn(crowded(number, Arc::clone(&runs)))).collect();
    let mut first = 0;
    for (number, call) in (0_u32..).zip(calls) {
        let Err(Error::Failed(error)) = call.await.unwrap() else { panic!("{number} is no failure") };
        assert_eq!(error % 1000, number);
        // Each ran once before the first of them ran twice.
        first += u32::from(error / 1000 < 50);
    }
    // Thirty are free, and the fifty calls pay for none.
    assert_eq!((runs.load(Ordering::SeqCst), first), (80, 20));
    assert_eq!(counted("budgets::crowded"), (0, 30));
}

policy! {
    static TOGETHER: RetryBudget = { ratio = 1% };
}

#[retry(attempts = 2, backoff = 1s, jitter = none, budget = TOGETHER, idempotent)]
async fn slower(runs: Arc<AtomicU32>) -> Result<(), Error> {
    Err(Error::Failed(runs.fetch_add(1, Ordering::SeqCst)))
}

#[retry(attempts = 2, backoff = 10ms, jitter = none, budget = TOGETHER, idempotent)]
async fn faster() -> Result<(), Error> {
    Err(Error::Failed(0))
}

#[hedged(after = 10ms, max = 1, budget = TOGETHER, idempotent)]
async fn beside(seconds: u64) -> Result<(), Error> {
    sleep(Duration::from_secs(seconds)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_waits_holds_nothing_back_from_those_who_share_the_budget() {
    let _alone = alone();
    let runs = Arc::new(AtomicU32::new(0));
    let waiting: Vec<_> = (0..30).map(|_| tokio::spawn(slower(Arc::clone(&runs)))).collect();
    tokio::task::yield_now().await;
    for _ in 0..20 {
        faster().await.unwrap_err();
    }
    beside(1).await.unwrap();
    assert_eq!(counted("budgets::faster").1, 20);
    let mut repeated = 0;
    for call in waiting {
        let Err(Error::Failed(run)) = call.await.unwrap() else { panic!("no failure") };
        repeated += u32::from(run >= 30);
    }
    assert_eq!((repeated, counted("budgets::slower").1), (9, 9), "thirty, less twenty, less a hedge");
}

/// Neither another thread's nor kept.
#[derive(Debug)]
struct Local(Rc<str>);

impl From<Rejected> for Local {
    fn from(rejected: Rejected) -> Self {
        Self(rejected.kind().into())
    }
}

#[retry(attempts = 2, backoff = 1s, jitter = none, idempotent)]
async fn local(runs: Arc<AtomicU32>) -> Result<u32, Local> {
    runs.fetch_add(1, Ordering::SeqCst);
    Err(Local("local".into()))
}

fn is_send<F: Future + Send + Sync>(future: F) -> F {
    future
}

#[tokio::test(start_paused = true)]
async fn an_error_that_must_not_be_held_is_not_and_its_retry_is_given_back() {
    let _alone = alone();
    let runs = Arc::new(AtomicU32::new(0));
    for _ in 0..40 {
        assert!(timeout(Duration::from_millis(1), is_send(local(Arc::clone(&runs)))).await.is_err());
    }
    assert_eq!((runs.load(Ordering::SeqCst), counted("budgets::local")), (40, (30 + 8, 0)));
    assert_eq!(&*is_send(local(Arc::clone(&runs))).await.unwrap_err().0, "local");
    assert_eq!((runs.load(Ordering::SeqCst), counted("budgets::local")), (42, (37, 1)));
}

#[retry(attempts = 3, backoff = 1s, jitter = none, budget = 1%, on = Ok(number) if *number < 50, idempotent)]
async fn stale(runs: Arc<AtomicU32>) -> Result<u32, Error> {
    Ok(runs.fetch_add(1, Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn a_success_that_is_repeated_is_the_answer_when_the_budget_is_empty() {
    let _alone = alone();
    let runs = Arc::new(AtomicU32::new(0));
    let calls: Vec<_> = (0..50).map(|_| tokio::spawn(stale(Arc::clone(&runs)))).collect();
    let mut first = 0;
    for call in calls {
        first += u32::from(call.await.unwrap().unwrap() < 50);
    }
    assert_eq!((first, runs.load(Ordering::SeqCst)), (20, 80));
    let attempts = "hardening_attempts_total{call=\"budgets::stale\",outcome=\"success\"}";
    let calls = "hardening_calls_total{call=\"budgets::stale\",outcome=\"success\"}";
    assert_eq!((series(attempts), series(calls)), (80, 50));
    // Who leaves has had an attempt that succeeded.
    runs.store(0, Ordering::SeqCst);
    advance(Duration::from_secs(11)).await;
    assert!(timeout(Duration::from_millis(1), stale(Arc::clone(&runs))).await.is_err());
    assert_eq!((series(attempts), series(calls)), (81, 50));
}

#[retry(attempts = 1_000_000, backoff = 0ms, budget = none, idempotent)]
async fn at_once(runs: &AtomicU32) -> Result<(), Error> {
    Err(Error::Failed(runs.fetch_add(1, Ordering::SeqCst)))
}

#[retry(attempts = 1_000_000, budget = none, retry_after = Some(Duration::ZERO), jitter = none, idempotent)]
async fn told_at_once(runs: &AtomicU32) -> Result<(), Error> {
    Err(Error::Failed(runs.fetch_add(1, Ordering::SeqCst)))
}

#[tokio::test]
async fn a_backoff_of_nothing_lets_others_run() {
    let _alone = alone();
    let runs = AtomicU32::new(0);
    let began = Instant::now();
    assert!(timeout(Duration::from_millis(20), at_once(&runs)).await.is_err());
    assert!(timeout(Duration::from_millis(20), told_at_once(&runs)).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut cx = Context::from_waker(Waker::noop());
    for (future, name) in [
        (Box::pin(at_once(&runs)) as std::pin::Pin<Box<dyn Future<Output = _>>>, "at once"),
        (Box::pin(told_at_once(&runs)), "told"),
    ] {
        runs.store(0, Ordering::SeqCst);
        let mut future = future;
        for polls in 1..5 {
            assert!(matches!(future.as_mut().poll(&mut cx), Poll::Pending));
            assert_eq!(runs.load(Ordering::SeqCst), polls, "{name}: one attempt for each poll");
        }
    }
}

#[retry(attempts = 2, backoff = 500ms, retry_after = error.wait(), idempotent)]
async fn told(wait: Duration, began: Instant, times: &std::sync::Mutex<Vec<Duration>>) -> Result<(), Error> {
    times.lock().unwrap().push(began.elapsed());
    Err(Error::Busy(wait))
}

#[retry(attempts = 2, max_retry_after = 5m, backoff = 500ms, retry_after = error.wait(), idempotent)]
async fn patient(
    wait: Duration,
    began: Instant,
    times: &std::sync::Mutex<Vec<Duration>>,
) -> Result<(), Error> {
    times.lock().unwrap().push(began.elapsed());
    Err(Error::Busy(wait))
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_no_earlier_than_told_and_not_at_all_when_told_to_wait_too_long() {
    let _alone = alone();
    let mut spread = Vec::new();
    for wait in [1, 3, 60].map(Duration::from_secs) {
        for _ in 0..10 {
            let times = std::sync::Mutex::default();
            assert_eq!(told(wait, Instant::now(), &times).await, Err(Error::Busy(wait)));
            let times = times.into_inner().unwrap();
            assert_eq!(times.len(), 2, "{wait:?}");
            // Timers are a millisecond wide.
            assert!(times[1] >= wait && times[1] <= wait + Duration::from_millis(501), "{wait:?}: {times:?}");
            spread.push(times[1].checked_sub(wait).expect("never earlier than told"));
        }
    }
    spread.sort();
    spread.dedup();
    assert!(spread.len() > 10, "they come together: {spread:?}");
    let began = Instant::now();
    for wait in [60_001, 3_600_000, u64::MAX].map(Duration::from_millis) {
        let times = std::sync::Mutex::default();
        assert_eq!(told(wait, Instant::now(), &times).await, Err(Error::Busy(wait)));
        assert_eq!((times.into_inner().unwrap().len(), began.elapsed()), (1, Duration::ZERO));
    }
    let times = std::sync::Mutex::default();
    patient(Duration::from_mins(2), Instant::now(), &times).await.unwrap_err();
    assert_eq!(times.into_inner().unwrap().len(), 2);
}

policy! {
    static OF_HEDGES: RetryBudget = { ratio = 10% };
    static OF_EXECUTIONS: RateLimiter = { rate = 1/h, burst = 100 };
}

#[hedged(after = 10ms, idempotent, budget = OF_HEDGES)]
#[bulkhead(max = 1)]
#[rate_limited(OF_EXECUTIONS, per = attempt)]
async fn without_room() -> Result<u32, Rejected> {
    sleep(Duration::from_millis(30)).await;
    Ok(1)
}

/// Thirty and a tenth of each call are left: nothing was taken.
#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_refused_spends_neither_budget_nor_limit() {
    let _alone = hardening::testing::alone();
    for _ in 0..20 {
        without_room().await.unwrap();
    }
    assert_eq!(series("hardening_retry_budget_remaining{budget=\"OF_HEDGES\"}"), 32);
    let allowed = "hardening_rate_limit_decisions_total{limiter=\"OF_EXECUTIONS\",decision=\"allowed\"}";
    assert_eq!(series(allowed), 20);
}

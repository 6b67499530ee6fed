//! A key is held for as long as its run goes on, and no longer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use hardening::{
    CircuitState, Rejected, bulkhead, cached, circuit, circuit_breaker, idempotent, telemetry, timeout,
};
use tokio::time::{advance, sleep};

/// What a body shows of itself.
#[derive(Debug, Default)]
struct Runs {
    begun: AtomicU32,
    dropped: AtomicU32,
}

struct Shown(&'static Runs);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Runs {
    const fn new() -> Self {
        Self { begun: AtomicU32::new(0), dropped: AtomicU32::new(0) }
    }

    async fn run(&'static self, takes: u64) -> u32 {
        let shown = Shown(self);
        let run = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        sleep(Duration::from_secs(takes)).await;
        std::mem::forget(shown);
        run
    }

    fn seen(&self) -> (u32, u32) {
        (self.begun.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
    }
}

async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

fn retry_after(answer: Result<u32, Rejected>) -> Duration {
    match answer {
        Err(Rejected::IdempotencyConflict { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

fn fates(call: &str, result: &str) -> u64 {
    let mut text = String::new();
    telemetry::calls::render(&mut text);
    let series = format!("hardening_idempotency_total{{call=\"leases::{call}\",result=\"{result}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

static LONG: Runs = Runs::new();

#[idempotent(key = number, fingerprint = (), lease = 3s)]
async fn long(number: u32, takes: u64) -> Result<u32, Rejected> {
    Ok(LONG.run(takes).await)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_keeps_its_key_for_as_long_as_it_takes() {
    let running = tokio::spawn(long(1, 60));
    for _ in 0..118 {
        sleep(Duration::from_millis(500)).await;
        let left = retry_after(long(1, 60).await);
        assert!((Duration::from_secs(2)..=Duration::from_secs(3)).contains(&left), "{left:?}");
    }
    assert_eq!(running.await.unwrap(), Ok(1));
    assert_eq!((long(1, 60).await, LONG.seen()), (Ok(1), (1, 0)));
}

static PLACED: Runs = Runs::new();

#[idempotent(key = number, fingerprint = (), lease = 3s)]
#[bulkhead(max = 1)]
#[timeout(1m)]
async fn placed(number: u32) -> Result<u32, Rejected> {
    Ok(PLACED.run(2).await)
}

#[tokio::test(start_paused = true)]
async fn i_55_a_run_that_is_held_up_is_dropped_once_another_has_taken_over() {
    let mut held_up = Box::pin(placed(1));
    assert!(poll_once(&mut held_up).await.is_none());
    advance(Duration::from_millis(2999)).await;
    assert_eq!(retry_after(placed(1).await), Duration::from_millis(1));
    advance(Duration::from_millis(1)).await;
    // It still has its place in the bulkhead, so the one that takes over is refused before anything is done.
    assert!(matches!(placed(1).await, Err(Rejected::BulkheadFull { .. })));
    assert_eq!(PLACED.seen(), (1, 0));
    // Its key is free again, but no longer its own: its body is over, and was not polled to say so.
    assert_eq!(retry_after(held_up.await), Duration::ZERO);
    assert_eq!(PLACED.seen(), (1, 1), "dropped, with its place");
    assert_eq!(placed(1).await, Ok(2));
    let told = ["new", "taken_over", "lost", "conflict", "replayed"].map(|fate| fates("placed", fate));
    assert_eq!(told, [2, 1, 1, 1, 0]);
}

static TAKEN_OVER: Runs = Runs::new();

#[idempotent(key = number, fingerprint = (), lease = 3s)]
async fn taken_over(number: u32, takes: u64) -> Result<u32, Rejected> {
    Ok(TAKEN_OVER.run(takes).await)
}

#[tokio::test(start_paused = true)]
async fn who_lost_its_key_is_told_how_long_the_other_one_may_take() {
    let mut held_up = Box::pin(taken_over(2, 2));
    assert!(poll_once(&mut held_up).await.is_none());
    advance(Duration::from_secs(5)).await;
    let mut next = Box::pin(taken_over(2, 20));
    assert!(poll_once(&mut next).await.is_none());
    assert_eq!(retry_after(held_up.await), Duration::from_secs(3));
    assert_eq!(next.await, taken_over(2, 20).await);
}

static BLOCKING: AtomicU32 = AtomicU32::new(0);

#[idempotent(key = 1, fingerprint = (), lease = 3s)]
async fn blocking() -> Result<u32, Rejected> {
    let run = BLOCKING.fetch_add(1, Ordering::SeqCst) + 1;
    if run == 1 {
        // Time goes by and another one runs, without this one giving its thread away.
        let _ = poll_once(&mut Box::pin(advance(Duration::from_secs(4)))).await;
        let mut other: Pin<Box<dyn Future<Output = Result<u32, Rejected>>>> = Box::pin(blocking());
        assert_eq!(poll_once(&mut other).await, Some(Ok(2)));
    }
    Ok(run)
}

#[tokio::test(start_paused = true)]
async fn i_54_what_was_finished_after_a_take_over_changes_nothing() {
    assert_eq!(retry_after(blocking().await), Duration::ZERO);
    assert_eq!((blocking().await, blocking().await), (Ok(2), Ok(2)));
    let told = ["new", "taken_over", "lost", "replayed"].map(|fate| fates("blocking", fate));
    assert_eq!(told, [1, 1, 1, 2]);
}

#[idempotent(key = number, fingerprint = (), lease = 3s, ttl = 1h, on_takeover = conflict)]
#[timeout(900ms)]
async fn careful(number: u32, takes: u64) -> Result<u32, Rejected> {
    sleep(Duration::from_secs(takes)).await;
    Ok(number)
}

#[tokio::test(start_paused = true)]
async fn i_57_what_may_have_been_done_is_not_run_again_where_that_is_asked_for() {
    assert!(matches!(careful(1, 5).await, Err(Rejected::Timeout { .. })));
    let left = Duration::from_hours(1) + Duration::from_millis(2100);
    assert_eq!(retry_after(careful(1, 0).await), left, "the lease, and then as long as an answer");
    let mut cancelled = Box::pin(careful(2, 5));
    assert!(poll_once(&mut cancelled).await.is_none());
    drop(cancelled);
    retry_after(careful(2, 0).await);
    assert_eq!((fates("careful", "unknown"), fates("careful", "taken_over")), (2, 0));
    advance(left).await;
    assert_eq!(careful(1, 0).await, Ok(1));
}

/// The run of each key that began last.
static LATEST: Mutex<Vec<(u64, u32)>> = Mutex::new(Vec::new());

fn latest(key: u64) -> u32 {
    LATEST.lock().unwrap().iter().rev().find(|(of, _)| *of == key).map_or(0, |(_, run)| *run)
}

#[idempotent(key = key, fingerprint = (), lease = 300ms)]
async fn shared(key: u64, steps: u64) -> Result<u32, Rejected> {
    let run = latest(key) + 1;
    LATEST.lock().unwrap().push((key, run));
    for _ in 0..steps {
        sleep(Duration::from_millis(70)).await;
        assert_eq!(latest(key), run, "a run goes on though another has taken over");
    }
    Ok(run)
}

type Worker = Pin<Box<dyn Future<Output = Result<u32, Rejected>>>>;

/// Runs that are polled, held up and dropped in every order that a generator thinks of.
#[tokio::test(start_paused = true)]
async fn i_54_one_answer_for_a_key_and_i_55_one_run_at_a_time_however_they_are_polled() {
    let (mut answers, mut conflicts) = (0, 0);
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut workers: Vec<Worker> = Vec::new();
        let mut answer = None;
        for _ in 0..60 {
            let at = random.usize(..workers.len().max(1));
            match random.u8(0..8) {
                0 => workers.push(Box::pin(shared(seed, random.u64(0..8)))),
                1..=3 if !workers.is_empty() => match poll_once(&mut workers[at]).await {
                    None => {}
                    Some(Err(Rejected::IdempotencyConflict { retry_after })) => {
                        assert!(retry_after <= Duration::from_millis(300), "seed {seed}: {retry_after:?}");
                        conflicts += 1;
                        drop(workers.swap_remove(at));
                    }
                    Some(Ok(run)) => {
                        assert_eq!(*answer.get_or_insert(run), run, "seed {seed}: two answers");
                        answers += 1;
                        drop(workers.swap_remove(at));
                    }
                    Some(other) => panic!("seed {seed}: {other:?}"),
                },
                6 if !workers.is_empty() && random.u8(0..6) == 0 => drop(workers.swap_remove(at)),
                _ => advance(Duration::from_millis(random.u64(0..250))).await,
            }
        }
    }
    let told = ["new", "taken_over", "lost", "conflict", "replayed"].map(|fate| fates("shared", fate));
    assert!(told.iter().all(|times| *times > 50), "{told:?}: each of them happened");
    assert_eq!(told[2] + told[3], conflicts);
    assert!(answers - told[4] <= 300, "one run of each key was answered");
}

#[idempotent(key = number, fingerprint = (), lease = 1s)]
#[cached(ttl = 1h, stale_while_revalidate = 1h, key = sku)]
async fn joined(number: u32, sku: u32) -> Result<u32, Rejected> {
    sleep(Duration::from_secs(10)).await;
    Ok(number)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_the_load_of_another_keeps_its_key() {
    let loading = tokio::spawn(joined(1, 5));
    sleep(Duration::from_millis(10)).await;
    let waiting = tokio::spawn(joined(2, 5));
    sleep(Duration::from_secs(5)).await;
    assert!(retry_after(joined(2, 5).await) <= Duration::from_secs(1));
    assert_eq!((loading.await.unwrap(), waiting.await.unwrap()), (Ok(1), Ok(1)));
}

/// The request has its answer before the result is loaded anew.
#[tokio::test(start_paused = true)]
async fn a_result_is_loaded_anew_without_the_key_of_a_request() {
    assert_eq!(joined(11, 6).await, Ok(11));
    sleep(Duration::from_secs(3601)).await;
    assert_eq!(joined(12, 6).await, Ok(11));
    sleep(Duration::from_secs(11)).await;
    assert_eq!((joined(13, 6).await, joined(12, 6).await), (Ok(12), Ok(11)));
}

/// Panics when it is dropped while it waits.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor");
    }
}

#[idempotent(key = number, fingerprint = (), lease = 3s)]
#[circuit_breaker(consecutive = 1, open_for = 5s)]
async fn armed(number: u32, first: bool) -> Result<u32, Rejected> {
    let _bomb = first.then(|| Bomb);
    sleep(Duration::from_secs(if first { 60 } else { 0 })).await;
    Ok(number)
}

/// The body of a run that has lost its key is dropped as part of the call: a panic of its destructors is the call's.
#[tokio::test(start_paused = true)]
async fn a_destructor_that_panics_when_a_key_is_lost_is_a_panic_and_a_failure() {
    let mut held_up = Box::pin(armed(1, true));
    assert!(poll_once(&mut held_up).await.is_none());
    advance(Duration::from_secs(4)).await;
    assert_eq!(armed(1, false).await, Ok(1));
    assert!(tokio::spawn(held_up).await.unwrap_err().is_panic());
    let mut text = String::new();
    telemetry::calls::render(&mut text);
    for (outcome, count) in [("panicked", 1), ("cancelled", 0), ("success", 1)] {
        let line = format!("hardening_calls_total{{call=\"leases::armed\",outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line}");
    }
    assert_eq!(circuit("leases::armed").unwrap().state(), CircuitState::Open);
}

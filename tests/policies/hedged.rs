//! Executions side by side.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardening::{
    Rejected, bulkhead, circuit_breaker, context, deadline, hedged, policy, rate_limited, timeout,
};
use tokio::time::{Instant, sleep};

#[derive(Clone, Debug, PartialEq)]
enum Error {
    Failed(u32),
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// What each execution does: after so many milliseconds it succeeds, or fails.
#[derive(Clone)]
struct Script(Arc<Running>);

struct Running {
    steps: Vec<(u64, bool)>,
    began: Mutex<Vec<u128>>,
    start: Instant,
    inside: AtomicU32,
    most: AtomicU32,
}

struct Inside<'r>(&'r Running);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Script {
    fn new(steps: &[(u64, bool)]) -> Self {
        Self(Arc::new(Running {
            steps: steps.to_vec(),
            began: Mutex::default(),
            start: Instant::now(),
            inside: AtomicU32::new(0),
            most: AtomicU32::new(0),
        }))
    }

    async fn run(self) -> Result<u32, Error> {
        let number = {
            let mut began = self.0.began.lock().unwrap();
            began.push(self.0.start.elapsed().as_millis());
            began.len()
        };
        let now = self.0.inside.fetch_add(1, Ordering::SeqCst) + 1;
        let _inside = Inside(&self.0);
        self.0.most.fetch_max(now, Ordering::SeqCst);
        let (takes, succeeds) = self.0.steps[(number - 1).min(self.0.steps.len() - 1)];
        sleep(Duration::from_millis(takes)).await;
        let number = number as u32;
        if succeeds { Ok(number) } else { Err(Error::Failed(number)) }
    }

    /// When executions began, the most that ran at once, and what still runs.
    fn seen(&self) -> (Vec<u128>, u32, u32) {
        let began = self.0.began.lock().unwrap().clone();
        (began, self.0.most.load(Ordering::SeqCst), self.0.inside.load(Ordering::SeqCst))
    }
}

macro_rules! hedged_functions {
    ($($(#[$($policy:tt)+])+ $name:ident;)+) => {$(
        $(#[$($policy)+])+
        async fn $name(script: Script) -> Result<u32, Error> {
            script.run().await
        }
    )+};
}

hedged_functions! {
    #[hedged(after = 2s, budget = 100%, idempotent)] once;
    #[hedged(after = 0s, max = 2, budget = 100%, idempotent)] at_once;
    #[hedged(after = 1s, max = 2, budget = 100%, idempotent)] twice;
    #[hedged(after = 100ms, budget = 100%, idempotent)] #[timeout(300ms)] timed;
    #[hedged(after = 100ms, max = 3, budget = 100%, idempotent)] #[bulkhead(max = 2)] bounded;
    #[hedged(after = 100ms, max = 3, budget = 100%, idempotent)] #[rate_limited(1/h, burst = 2, per = attempt)] charged;
    #[hedged(after = 100ms, budget = 100%, idempotent)] #[deadline(150ms)] bound;
    #[hedged(after = 10ms, budget = 100%, idempotent)] #[circuit_breaker(consecutive = 2)] broken;
    #[hedged(after = 10ms, budget = 5%, idempotent)] frugal;
    #[hedged(after = p95, budget = 100%, idempotent)] learning;
    #[hedged(after = 10ms, max = 2, budget = 100%, idempotent)] #[bulkhead(max = 9)] dropped;
}

#[tokio::test(start_paused = true)]
async fn i_33_the_first_success_wins_and_the_others_are_gone() {
    for (id, call, steps, end, began, most) in [
        ("HDG-01", 0, &[(100, true)][..], Ok(1), vec![0], 1),
        ("HDG-02", 0, &[(9000, true), (100, true)], Ok(2), vec![0, 2000], 2),
        ("HDG-05", 0, &[(2500, true), (9000, true)], Ok(1), vec![0, 2000], 2),
        ("HDG-03", 1, &[(1000, true)], Ok(1), vec![0, 0, 0], 3),
        (
            "a failure begins the next at once",
            2,
            &[(10, false), (10, false), (10, true)],
            Ok(3),
            vec![0, 10, 20],
            1,
        ),
        (
            "HDG-06",
            2,
            &[(5000, false), (10, false), (10, false)],
            Err(Error::Failed(1)),
            vec![0, 1000, 1010],
            2,
        ),
        ("HDG-12", 2, &[(5000, true), (10, false), (10, false)], Ok(1), vec![0, 1000, 1010], 2),
    ] {
        // Calls that need no second execution pay for those that need a third.
        for _ in 0..9 {
            assert_eq!(at_once(Script::new(&[(0, true)])).await, Ok(1));
            assert_eq!(twice(Script::new(&[(0, true)])).await, Ok(1));
        }
        let script = Script::new(steps);
        let got = match call {
            0 => once(script.clone()).await,
            1 => at_once(script.clone()).await,
            _ => twice(script.clone()).await,
        };
        assert_eq!(got, end, "{id}");
        assert_eq!(script.seen(), (began, most, 0), "i_33 {id}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_execution_has_its_own_time_and_i_34_a_success_in_time_is_the_answer() {
    let script = Script::new(&[(9000, true), (250, true)]);
    assert_eq!(timed(script.clone()).await, Ok(2));
    assert_eq!(script.0.start.elapsed().as_millis(), 350);
    let script = Script::new(&[(9000, true)]);
    assert!(matches!(timed(script.clone()).await, Err(Error::Rejected(Rejected::Timeout { .. }))));
    // The cut of the first, as a failure, begins no third: `max` is 1.
    assert_eq!(script.seen(), (vec![0, 100], 2, 0));
    assert_eq!(script.0.start.elapsed().as_millis(), 400);
    let script = Script::new(&[(9000, true)]);
    assert!(matches!(bound(script.clone()).await, Err(Error::Rejected(Rejected::DeadlineExceeded { .. }))));
    assert_eq!((script.0.start.elapsed().as_millis(), script.seen().2), (150, 0));
}

#[tokio::test(start_paused = true)]
async fn limits_and_places_bound_the_extra_executions() {
    let script = Script::new(&[(1000, true)]);
    assert_eq!(bounded(script.clone()).await, Ok(1));
    assert_eq!(script.seen(), (vec![0, 100], 2, 0));
    let script = Script::new(&[(1000, true)]);
    assert_eq!(charged(script.clone()).await, Ok(1));
    assert_eq!(script.seen(), (vec![0, 100], 2, 0));
}

#[tokio::test(start_paused = true)]
async fn the_circuit_sees_one_outcome() {
    let script = || Script::new(&[(100, false)]);
    assert_eq!(broken(script()).await, Err(Error::Failed(1)));
    assert_eq!(broken(script()).await, Err(Error::Failed(1)));
    assert!(matches!(broken(script()).await, Err(Error::Rejected(Rejected::CircuitOpen { .. }))));
}

#[tokio::test(start_paused = true)]
async fn i_32_when_everything_is_slow_the_budget_is_what_is_added() {
    let mut executions = 0;
    for _ in 0..400 {
        let script = Script::new(&[(20, true)]);
        frugal(script.clone()).await.unwrap();
        executions += script.seen().0.len();
    }
    assert!((415..=421).contains(&executions), "{executions}");
}

#[tokio::test(start_paused = true)]
async fn a_percentile_is_learnt() {
    for round in 0..200 {
        let script = Script::new(&[(if round % 50 == 0 { 500 } else { 10 }, true)]);
        learning(script.clone()).await.unwrap();
        assert_eq!(
            script.seen().0.len() > 1,
            round >= 100 && round % 50 == 0,
            "{round}: {:?}",
            script.seen()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn i_01_hdg_09_cancelling_leaves_nothing_behind() {
    for after in (1..60).step_by(5) {
        let script = Script::new(&[(1000, true)]);
        let call = tokio::spawn(dropped(script.clone()));
        sleep(Duration::from_millis(after)).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(script.seen().2, 0);
    }
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    for line in [
        "hardening_calls_total{call=\"hedged::dropped\",outcome=\"cancelled\"} 12\n",
        "hardening_calls_total{call=\"hedged::dropped\",outcome=\"panicked\"} 0\n",
        "hardening_in_flight{call=\"hedged::dropped\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
    // All nine places are free.
    let scripts: Vec<_> = (0..9).map(|_| tokio::spawn(dropped(Script::new(&[(5, true)])))).collect();
    for script in scripts {
        assert_eq!(script.await.unwrap(), Ok(1));
    }
}

/// A connection that one execution has at a time.
static CONNECTION: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

#[hedged(after = 60ms, idempotent)]
#[timeout(100ms)]
async fn alone(hangs: &AtomicU32) -> Result<u32, Error> {
    let _connection = CONNECTION.acquire().await.unwrap();
    if hangs.fetch_add(1, Ordering::SeqCst) == 0 {
        std::future::pending::<()>().await;
    }
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_is_cut_gives_back_what_it_holds_while_others_run() {
    let began = Instant::now();
    assert_eq!(alone(&AtomicU32::new(0)).await, Ok(7));
    assert_eq!(began.elapsed(), Duration::from_millis(100));
}

policy! {
    static HEDGED: Bulkhead = { max = 2, queue = 10 };
}

#[hedged(after = 10ms, idempotent)]
#[bulkhead(HEDGED)]
async fn hedged_outer() -> Result<u32, Error> {
    hedged_inner().await
}

#[bulkhead(HEDGED)]
async fn hedged_inner() -> Result<u32, Error> {
    if context::attempt() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(context::attempt())
}

#[tokio::test(start_paused = true)]
async fn each_execution_lends_its_own_place_to_the_call_inside_it() {
    let ended = tokio::time::timeout(Duration::from_secs(5), hedged_outer()).await;
    assert_eq!(ended, Ok(Ok(2)), "the second execution waits for the place of the first");
}

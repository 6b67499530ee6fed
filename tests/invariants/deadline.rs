//! Deadlines of calls within calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardening::{
    bulkhead, circuit_breaker, context, deadline, fallback, hardened, rate_limited, retry, timeout,
};
use tokio::time::{Instant, sleep};

use crate::support::{Error, ms};

/// What each level of a call saw of its deadline, outermost first, as time left.
type Seen = Mutex<Vec<Option<Duration>>>;

fn look(seen: &Seen) {
    seen.lock().unwrap().push(context::remaining());
}

#[deadline(1s)]
async fn outermost(seen: &Seen, pause: Duration) -> Result<(), Error> {
    look(seen);
    sleep(pause).await;
    patient(seen, pause).await?;
    hurried(seen, pause).await
}

/// Asks for more than its caller has.
#[deadline(5s)]
async fn patient(seen: &Seen, pause: Duration) -> Result<(), Error> {
    look(seen);
    sleep(pause).await;
    observed(seen).await
}

#[hardened]
async fn observed(seen: &Seen) -> Result<(), Error> {
    look(seen);
    Ok(())
}

#[timeout(100ms)]
async fn hurried(seen: &Seen, pause: Duration) -> Result<(), Error> {
    look(seen);
    sleep(pause).await;
    patient(seen, pause).await
}

#[tokio::test(start_paused = true)]
async fn i_35_no_level_sees_more_than_the_one_around_it() {
    let mut random = fastrand::Rng::with_seed(35);
    for _ in 0..200 {
        let seen = Seen::default();
        let surrounding = random.bool().then(|| Instant::now() + ms(random.u64(1..2000)));
        let pause = ms(random.u64(..40));
        let call = outermost(&seen, pause);
        let most = surrounding.map_or(ms(1000), |at| at - Instant::now()).min(ms(1000));
        let answer = context::scope(Arc::default(), surrounding, call).await;
        assert!(matches!(answer, Ok(()) | Err(Error::Rejected(_))), "{answer:?}");
        let seen = seen.into_inner().unwrap();
        let left: Vec<_> = seen.into_iter().map(|left| left.expect("under a deadline")).collect();
        assert_eq!(left[0], most, "{left:?}");
        assert!(left.windows(2).all(|pair| pair[1] <= pair[0]), "{left:?}");
        assert!(left.get(3).is_none_or(|hurried| *hurried <= ms(100)), "{left:?}");
        assert_eq!(context::remaining(), None, "nothing is left behind");
    }
}

#[deadline(1s)]
async fn spawning() -> Result<Option<Duration>, Error> {
    Ok(tokio::spawn(async { context::remaining() }).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn i_35_and_i_37_a_spawned_task_inherits_no_deadline() {
    assert_eq!(spawning().await, Ok(None));
}

#[deadline(1s)]
async fn panicking() -> Result<(), Error> {
    panic!("within its deadline")
}

#[tokio::test(start_paused = true)]
async fn i_35_a_panic_leaves_no_deadline_behind() {
    let panicked = tokio::spawn(panicking()).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(context::remaining(), None);
}

/// When bodies began and ended, measured from the call's begin.
#[derive(Default)]
struct Work {
    spans: Mutex<Vec<(Duration, Duration)>>,
}

struct Running<'w> {
    work: &'w Work,
    begun: Instant,
    start: Duration,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.work.spans.lock().unwrap().push((self.start, self.begun.elapsed()));
    }
}

#[fallback(answer(work, begun, within).await, within = 300ms)]
#[deadline(500ms)]
#[rate_limited(1/20ms, burst = 2, wait = 400ms)]
#[retry(attempts = 4, backoff = 20ms..200ms, budget = none, idempotent)]
#[circuit_breaker(window = 1000, min_calls = 1000, open_for = 1s)]
#[rate_limited(1/10ms, burst = 3, wait = 300ms, per = attempt)]
#[timeout(150ms)]
#[bulkhead(max = 2, queue = 20)]
async fn everything(
    work: &Work,
    begun: Instant,
    takes: Duration,
    fails: bool,
    within: Duration,
) -> Result<(), Error> {
    let _running = Running { work, begun, start: begun.elapsed() };
    sleep(takes).await;
    if fails { Err(Error::Failed) } else { Ok(()) }
}

async fn answer(work: &Work, begun: Instant, takes: Duration) -> Result<(), Error> {
    let _running = Running { work, begun, start: begun.elapsed() };
    sleep(takes).await;
    Ok(())
}

/// Several calls at once under a surrounding deadline, with everything that can wait in between.
#[tokio::test(start_paused = true)]
async fn i_36_nothing_of_a_call_runs_past_its_deadline() {
    let mut random = fastrand::Rng::with_seed(36);
    for round in 0..200 {
        let begun = Instant::now();
        let works: Vec<_> = (0..random.usize(1..8)).map(|_| Work::default()).collect();
        let surrounding = ms(random.u64(1..900));
        let mut calls = Vec::new();
        for work in &works {
            let (takes, fails) = (ms(random.u64(..250)), random.bool());
            let call = everything(work, begun, takes, fails, ms(random.u64(..400)));
            calls.push(Box::pin(context::scope(Arc::default(), Some(begun + surrounding), call)));
        }
        std::future::poll_fn(|cx| {
            calls.retain_mut(|call| call.as_mut().poll(cx).is_pending());
            if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        // Its own deadline bounds the attempts, the surrounding one everything.
        let latest = surrounding.min(ms(500 + 300));
        assert!(begun.elapsed() <= latest, "round {round}: {:?} of {latest:?}", begun.elapsed());
        for (start, end) in works.iter().flat_map(|work| work.spans.lock().unwrap().clone()) {
            assert!(
                start < surrounding || end == start,
                "round {round}: begun at {start:?} of {surrounding:?}"
            );
            assert!(end <= latest, "round {round}: ran until {end:?} of {latest:?}");
        }
        sleep(ms(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i_36_a_call_whose_deadline_has_passed_does_nothing() {
    let (work, begun) = (Work::default(), Instant::now());
    let call = everything(&work, begun, ms(0), false, ms(0));
    sleep(ms(10)).await;
    let _ = context::scope(Arc::default(), Some(begun), call).await;
    let ran = work.spans.lock().unwrap().clone();
    // The fallback is polled once: what it has at hand it may still give.
    assert!(ran.iter().all(|(start, end)| start == end) && ran.len() <= 1, "{ran:?}");
    assert_eq!(begun.elapsed(), ms(10));
}

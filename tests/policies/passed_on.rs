//! A load whose body passes its caller's deadline on, and fails because of it: those who wait get a load of their own, and one for all
//! of them, whatever the reason of the failure was.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use hardening::{Rejected, cached, context, deadline};
use tokio::time::{Instant, sleep, timeout};

use super::handover::{Error, joined, twenty};
use super::support::ms;

/// Runs `call` for a request with so much time.
async fn within<T>(time: Duration, call: impl Future<Output = T>) -> T {
    let request = Arc::new(context::Request::default());
    context::scope(request, Some(Instant::now() + time), call).await
}

/// A dependency that answers within the time that it is told, and needs 200 ms.
async fn dependency(left: Option<Duration>) -> Result<(), Error> {
    if let Some(left) = left.filter(|left| *left < ms(200)) {
        sleep(left.saturating_sub(ms(2))).await;
        return Err(Error::Down);
    }
    sleep(ms(200)).await;
    Ok(())
}

thread_local! {
    /// Of this test: everything that it spawns runs on its thread.
    static LOADS: Cell<u32> = const { Cell::new(0) };
}

/// Counts a load; answers how many there were before.
fn load() -> u32 {
    LOADS.replace(LOADS.get() + 1)
}

fn loads() -> u32 {
    LOADS.take()
}

#[cached(ttl = 10s, key = k)]
async fn told_by_header(k: u32) -> Result<u32, Error> {
    load();
    let told = context::outgoing_headers().get("x-request-timeout-ms").cloned();
    let told = told.map(|told| told.to_str().unwrap().parse().unwrap());
    dependency(told.map(Duration::from_millis)).await.map(|()| k)
}

#[cached(ttl = 10s, key = k)]
async fn told_inside(k: u32) -> Result<u32, Error> {
    #[deadline(10s)]
    async fn inner() -> Result<(), Error> {
        sleep(ms(1)).await;
        dependency(context::remaining()).await
    }
    load();
    inner().await.map(|()| k)
}

#[cached(ttl = 10s, key = k)]
async fn with_a_timeout_of_its_own(k: u32) -> Result<u32, Error> {
    load();
    let left = context::remaining().unwrap_or(Duration::from_secs(5));
    match timeout(left.saturating_sub(ms(5)), sleep(ms(200))).await {
        Ok(()) => Ok(k),
        Err(_) => Err(Error::Down),
    }
}

#[cached(ttl = 10s, key = k)]
async fn goes_on_after_a_refusal(k: u32) -> Result<u32, Error> {
    #[hardening::retry(attempts = 3, backoff = 100ms, jitter = none, idempotent)]
    async fn inner(fails: bool) -> Result<(), Error> {
        if fails { Err(Error::Down) } else { Ok(()) }
    }
    // The first load: a repetition has no time.
    let fails = load() == 0;
    let end = inner(fails).await;
    // It writes a line somewhere, for example.
    sleep(ms(10)).await;
    end.map(|()| k)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_passes_its_callers_deadline_on_does_not_fail_the_followers() {
    macro_rules! handed_on {
        ($($call:ident),+) => {$(
            let leader = tokio::spawn(within(ms(50), $call(1)));
            tokio::task::yield_now().await;
            let followers = twenty(|| $call(1));
            assert!(leader.await.unwrap().is_err(), stringify!($call));
            assert_eq!(joined(followers).await, vec![Ok(1); 20], stringify!($call));
            assert_eq!(loads(), 2, "{}: one load for all of them", stringify!($call));
        )+};
    }
    handed_on!(told_by_header, told_inside, with_a_timeout_of_its_own, goes_on_after_a_refusal);
}

#[cached(ttl = 10s, key = k)]
async fn dead(k: u32) -> Result<u32, Error> {
    load();
    context::remaining();
    sleep(ms(k.into())).await;
    Err(Error::Down)
}

/// The dependency is dead, which has nothing to do with the deadline: one more load at most, and none for those who have no more time
/// than the first had.
#[tokio::test(start_paused = true)]
async fn a_dead_dependency_is_asked_once_more_at_most() {
    for (k, time, asked) in [(5, None, 2), (6, Some(100), 1), (7, Some(105), 1), (8, Some(200), 2)] {
        let leader = tokio::spawn(within(ms(100), dead(k)));
        tokio::task::yield_now().await;
        let followers = twenty(|| async move {
            match time {
                Some(time) => within(ms(time), dead(k)).await,
                None => dead(k).await,
            }
        });
        assert_eq!(leader.await.unwrap(), Err(Error::Down));
        assert_eq!(joined(followers).await, vec![Err(Error::Down); 20], "{k}");
        assert_eq!(loads(), asked, "{k}");
    }
}

/// Each has more time than the one before: the one that waits longest leads, so that there are not twenty loads one after another.
#[tokio::test(start_paused = true)]
async fn the_one_that_waits_longest_leads() {
    let leader = tokio::spawn(within(ms(20), with_a_timeout_of_its_own(2)));
    tokio::task::yield_now().await;
    let staggered: Vec<_> =
        (2..20).map(|at| tokio::spawn(within(ms(20 * at), with_a_timeout_of_its_own(2)))).collect();
    tokio::task::yield_now().await;
    assert!(leader.await.unwrap().is_err());
    let ends = joined(staggered).await;
    let late =
        |end: &Result<u32, Error>| matches!(end, Err(Error::Rejected(Rejected::DeadlineExceeded { .. })));
    // The second load lasts from 15 to 215 ms.
    assert!(ends[..8].iter().all(late), "{ends:?}");
    assert_eq!(ends[10..], vec![Ok(2); 8]);
    assert_eq!(loads(), 2);
}

/// The one that the load is handed on to goes away before it can begin.
#[tokio::test(start_paused = true)]
async fn a_load_that_was_handed_on_to_one_that_goes_away_goes_to_the_others() {
    let leader = tokio::spawn(within(ms(50), with_a_timeout_of_its_own(3)));
    tokio::task::yield_now().await;
    let others = twenty(|| within(Duration::from_secs(5), with_a_timeout_of_its_own(3)));
    {
        let mut patient = pin!(with_a_timeout_of_its_own(3));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(patient.as_mut().poll(&mut cx).is_pending());
        tokio::task::yield_now().await;
        assert!(leader.await.unwrap().is_err());
    }
    let began = Instant::now();
    assert_eq!(joined(others).await, vec![Ok(3); 20]);
    assert!(began.elapsed() <= ms(205), "{:?}", began.elapsed());
    assert_eq!(loads(), 2);
}

#[cached(ttl = 1s, key = k, jitter = 0%, stale_if_error = 1h)]
async fn spare(k: u32) -> Result<u32, Error> {
    dependency(context::remaining()).await.map(|()| load() + k)
}

#[tokio::test(start_paused = true)]
async fn an_old_result_stands_in_for_the_hurried_one_and_the_others_get_a_new_one() {
    assert_eq!(spare(10).await, Ok(10));
    sleep(Duration::from_secs(2)).await;
    let leader = tokio::spawn(within(ms(50), spare(10)));
    tokio::task::yield_now().await;
    let followers = twenty(|| spare(10));
    assert_eq!(leader.await.unwrap(), Ok(10));
    assert_eq!(joined(followers).await, vec![Ok(11); 20]);
    loads();
}

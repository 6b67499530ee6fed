//! Settings switch a policy off while calls wait for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{bulkhead, cached, context, hedged, rate_limited, retry};
use hardening_spec::settings::{Raw, set};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::handover::{Error, joined, twenty};
use super::support::ms;

fn switch_off(call: &str, policy: &str) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.own();
    set(&mut spec, policy, "enabled", Raw::Bool(false)).unwrap();
    site.configure(&spec);
}

#[rate_limited(1/h, burst = 1, wait = 5h)]
#[rate_limited(1000/s, key = k)]
async fn limited(k: u32) -> Result<u32, Error> {
    Ok(k)
}

#[bulkhead(max = 1, queue = 100)]
async fn placed(takes: u64) -> Result<u32, Error> {
    sleep(ms(takes)).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_turn_or_a_place_go_on() {
    limited(0).await.unwrap();
    let waiting: Vec<_> = (0..5).map(|k| tokio::spawn(limited(k))).collect();
    yield_now().await;
    let began = Instant::now();
    switch_off("switched_off::limited", "rate_limited");
    assert!(joined(waiting).await.iter().all(Result::is_ok));
    assert!(began.elapsed() <= ms(20), "{:?}", began.elapsed());

    let holder = tokio::spawn(placed(10_000));
    yield_now().await;
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(placed(1))).collect();
    sleep(ms(10)).await;
    let began = Instant::now();
    switch_off("switched_off::placed", "bulkhead");
    assert!(joined(waiting).await.iter().all(Result::is_ok));
    assert!(began.elapsed() <= ms(100), "{:?}", began.elapsed());
    holder.await.unwrap().unwrap();
}

static LOADS: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 1h, key = ())]
async fn loaded() -> Result<u32, Error> {
    LOADS.fetch_add(1, Ordering::SeqCst);
    sleep(ms(100)).await;
    Ok(1)
}

#[retry(attempts = 5, backoff = 1s, jitter = none, budget = none, idempotent)]
async fn repeated() -> Result<u32, Error> {
    LOADS.fetch_add(100, Ordering::SeqCst);
    Err(Error::Down)
}

#[hedged(after = 10ms, max = 3, budget = 100%, idempotent)]
async fn beside() -> Result<u32, Error> {
    sleep(ms(100)).await;
    Ok(context::attempt())
}

#[tokio::test(start_paused = true)]
async fn loads_backoffs_and_races_end_as_they_began() {
    let leader = tokio::spawn(loaded());
    yield_now().await;
    let followers = twenty(loaded);
    yield_now().await;
    switch_off("switched_off::loaded", "cached");
    assert_eq!(joined(followers).await, vec![Ok(1); 20]);
    assert_eq!(leader.await.unwrap(), Ok(1));
    assert_eq!(LOADS.swap(0, Ordering::SeqCst), 1);
    assert_eq!((loaded().await, LOADS.swap(0, Ordering::SeqCst)), (Ok(1), 1));

    let call = tokio::spawn(repeated());
    sleep(ms(500)).await;
    switch_off("switched_off::repeated", "retry");
    assert_eq!(call.await.unwrap(), Err(Error::Down));
    assert!(LOADS.load(Ordering::SeqCst) <= 200, "at most the attempt that was due");

    let call = tokio::spawn(beside());
    sleep(ms(15)).await;
    switch_off("switched_off::beside", "hedged");
    assert_eq!(call.await.unwrap(), Ok(1));
    assert_eq!(beside().await, Ok(1));
}

static OF_CALL: Mutex<Vec<Instant>> = Mutex::new(Vec::new());
static OF_ATTEMPT: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

#[rate_limited(10/s, burst = 1, wait = 60s)]
#[rate_limited(2/s, burst = 1, key = k, wait = 60s)]
async fn off_for_a_while(k: u32) -> Result<u32, Error> {
    OF_CALL.lock().unwrap().push(Instant::now());
    Ok(k)
}

#[retry(attempts = 2, idempotent)]
#[rate_limited(10/s, burst = 1, wait = 60s, per = attempt)]
#[rate_limited(2/s, burst = 1, key = k, wait = 60s, per = attempt)]
async fn off_for_attempts(k: u32) -> Result<u32, Error> {
    OF_ATTEMPT.lock().unwrap().push(Instant::now());
    Ok(k)
}

/// One of two limits is off for half a second, while callers wait and while further ones come.
#[tokio::test(start_paused = true)]
async fn a_limit_that_is_on_again_charges_those_who_wait() {
    let mut calls: Vec<_> = (0..10).map(|_| tokio::spawn(off_for_a_while(1))).collect();
    calls.extend((0..10).map(|_| tokio::spawn(off_for_attempts(1))));
    sleep(ms(1100)).await;
    let call = |name: &str| hardening::catalogue::site(name).unwrap();
    let sites = [call("switched_off::off_for_a_while"), call("switched_off::off_for_attempts")];
    let own: Vec<_> = sites.iter().map(|site| site.own()).collect();
    for site in sites {
        let mut without = site.own();
        without.rate_limits[1] = None;
        site.configure(&without);
    }
    sleep(ms(200)).await;
    calls.extend((0..10).map(|_| tokio::spawn(off_for_a_while(1))));
    sleep(ms(300)).await;
    let on = Instant::now();
    for (site, own) in sites.iter().zip(&own) {
        site.configure(own);
    }
    assert!(joined(calls).await.iter().all(Result::is_ok));
    for (bodies, number) in [(&OF_CALL, 20), (&OF_ATTEMPT, 10)] {
        let begun = bodies.lock().unwrap();
        let since: Vec<_> = begun.iter().filter(|at| **at >= on).collect();
        assert!(
            begun.len() == number && since.windows(2).all(|two| *two[1] - *two[0] >= ms(499)),
            "{since:?}"
        );
    }
}

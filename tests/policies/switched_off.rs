//! Settings switch a policy off while calls wait for it.

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

//! Callers whose turn in a rate limit has come and who are not polled: others lose nothing by them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use hardening::{Rejected, policy, rate_limited, retry};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::support::ms;

type Call = Pin<Box<dyn Future<Output = Result<(), Rejected>> + Send>>;

/// Polls a call once, which has to wait.
async fn begin(mut call: Call) -> Call {
    let is_pending = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending);
    call
}

/// Offers 30 calls at once and 50 one by one in each of so many seconds; answers how many were served of those that came in each.
async fn offer<F>(seconds: u32, call: impl Fn(u32) -> F) -> Vec<u32>
where
    F: Future<Output = Result<(), Rejected>> + Send + 'static,
{
    let (mut number, mut calls) = (1_000, JoinSet::new());
    let mut served = vec![0; seconds as usize];
    for second in 0..seconds {
        for of_second in 0..80 {
            number += 1;
            let next = call(number);
            calls.spawn(async move { (second, next.await) });
            if of_second >= 30 {
                sleep(ms(20)).await;
            }
        }
    }
    while let Some(ended) = calls.join_next().await {
        let (second, result) = ended.unwrap();
        served[second as usize] += u32::from(result.is_ok());
    }
    served
}

#[tokio::test(start_paused = true)]
async fn an_unpolled_caller_of_a_slow_limit_holds_up_nobody_in_a_fast_one() {
    #[rate_limited(100/s, burst = 5, wait = 500ms)]
    #[rate_limited(1/h, burst = 1, key = k, wait = 2h)]
    async fn of_call(k: u32) -> Result<(), Rejected> {
        Ok(())
    }
    #[retry(attempts = 2, idempotent)]
    #[rate_limited(100/s, burst = 5, wait = 500ms, per = attempt)]
    #[rate_limited(1/h, burst = 1, key = k, wait = 2h, per = attempt)]
    async fn of_attempt(k: u32) -> Result<(), Rejected> {
        Ok(())
    }
    of_call(1).await.unwrap();
    of_attempt(1).await.unwrap();
    let unpolled = [begin(Box::pin(of_call(1))).await, begin(Box::pin(of_attempt(1))).await];
    sleep(ms(3_599_900)).await;
    assert_eq!(offer(10, of_call).await, [80; 10]);
    assert_eq!(offer(10, of_attempt).await, [80; 10]);
    for late in unpolled {
        late.await.unwrap();
    }
}

static UNITS: AtomicU32 = AtomicU32::new(0);

#[rate_limited(100/s, burst = 1000, wait = 20s, cost = units)]
async fn of_cost(units: u32) -> Result<(), Rejected> {
    UNITS.fetch_add(units, Ordering::Relaxed);
    Ok(())
}

/// A thousand units that nobody takes are for those who wait behind it.
#[tokio::test(start_paused = true)]
async fn what_an_unpolled_caller_does_not_take_is_for_those_behind_it() {
    of_cost(1000).await.unwrap();
    let unpolled = begin(Box::pin(of_cost(1000))).await;
    let mut behind = JoinSet::new();
    for _ in 0..500 {
        behind.spawn(of_cost(1));
    }
    sleep(ms(10_200)).await;
    assert_eq!(UNITS.load(Ordering::Relaxed), 1500, "at once when its turn is lost");
    drop(unpolled);
}

policy! {
    static LOST_TURNS: RateLimiter = { rate = 100/s, burst = 5, wait = 500ms };
}

static BEGUN: Mutex<Vec<(u32, Instant)>> = Mutex::new(Vec::new());

#[rate_limited(LOST_TURNS)]
#[rate_limited(1/s, burst = 1, key = k, wait = 10s)]
async fn of_tenant(k: u32) -> Result<(), Rejected> {
    BEGUN.lock().unwrap().push((k, Instant::now()));
    Ok(())
}

#[rate_limited(LOST_TURNS)]
async fn of_all(_: u32) -> Result<(), Rejected> {
    Ok(())
}

/// A tenant's calls are polled each five seconds only; those of others are all served, and its own keep their rate.
#[tokio::test(start_paused = true)]
async fn a_caller_that_is_rarely_polled_keeps_to_its_rate_and_nobody_waiting() {
    let job = tokio::spawn(async {
        loop {
            let mut waiting = Vec::new();
            for _ in 0..3 {
                let mut call: Call = Box::pin(of_tenant(1));
                let ended = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
                if !ended {
                    waiting.push(call);
                }
            }
            sleep(ms(5000)).await;
            for call in waiting {
                let _ = call.await;
            }
        }
    });
    let call = |k| async move { if k % 2 == 0 { of_tenant(k).await } else { of_all(k).await } };
    assert_eq!(offer(30, call).await, [80; 30]);
    job.abort();
    let begun = BEGUN.lock().unwrap();
    let of_job: Vec<_> = begun.iter().filter(|(k, _)| *k == 1).map(|(_, at)| *at).collect();
    assert!(of_job.len() >= 6, "it is served as well: {}", of_job.len());
    assert!(of_job.windows(2).all(|two| two[1] - two[0] >= ms(1000)), "{of_job:?}");
}

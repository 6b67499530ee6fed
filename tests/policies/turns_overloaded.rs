//! Rate limits under lasting overload: their callers wait in an order in which those that are served can still be answered in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, deadline, policy, rate_limited, retry};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout as within};

use super::support::ms;

type Answer = Result<(), Rejected>;

/// How callers come and go.
#[derive(Clone, Copy)]
struct Callers {
    /// In each second, one by one.
    of_second: u32,
    seconds: u32,
    /// An answer within this time counts.
    useful: Duration,
    /// Whether they leave when it is over.
    leave: bool,
}

/// How many useful answers there were in each second.
async fn answers<F>(callers: Callers, call: impl Fn(u32) -> F) -> Vec<u32>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let Callers { of_second, seconds, useful, leave } = callers;
    let (begun, useful_ones, mut calls) = (Instant::now(), Arc::new(AtomicU32::new(0)), JoinSet::new());
    let mut counts = Vec::new();
    for number in 0..of_second * seconds {
        let came = begun + Duration::from_secs(1) * number / of_second;
        sleep_until(came).await;
        let (call, count) = (call(number), Arc::clone(&useful_ones));
        calls.spawn(async move {
            let patience = if leave { useful } else { Duration::MAX };
            if matches!(within(patience, call).await, Ok(Ok(()))) && came.elapsed() <= useful {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        if (number + 1) % of_second == 0 {
            sleep_until(begun + Duration::from_secs(u64::from((number + 1) / of_second))).await;
            counts.push(useful_ones.swap(0, Ordering::Relaxed));
        }
    }
    calls.shutdown().await;
    counts
}

const PATIENT: Callers =
    Callers { of_second: 125, seconds: 20, useful: Duration::from_secs(1), leave: false };
const HASTY: Callers = Callers { useful: ms(100), leave: true, ..PATIENT };

#[track_caller]
fn assert_good(served: &[u32], capacity: u32) {
    // In the first seconds bodies begin, and the overload is not known yet.
    let (first, later) = served.split_at(4);
    assert!(later.iter().all(|count| *count >= capacity * 9 / 10), "{served:?}");
    assert!(first.iter().all(|count| *count >= capacity / 2), "{served:?}");
}

/// One function for each test, since tests run side by side and each has a clock of its own.
macro_rules! keeps_its_goodput {
    ($($(#[$policy:meta])+ $name:ident[$number:ident]($callers:expr, $takes:expr, of $capacity:expr);)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            $(#[$policy])+
            async fn work($number: u32) -> Answer {
                let _ = $number;
                sleep(ms($takes)).await;
                Ok(())
            }
            assert_good(&answers($callers, work).await, $capacity);
        }
    )+};
}

keeps_its_goodput! {
    #[rate_limited(100/s, burst = 1, wait = 5s)]
    callers_of_unknown_patience[number](PATIENT, 20, of 100);
    #[rate_limited(100/s, wait = 60s)]
    callers_of_unknown_patience_after_a_burst[number](PATIENT, 20, of 100);
    #[rate_limited(100/s, burst = 1, wait = 5s)]
    callers_that_leave[number](HASTY, 50, of 100);
    #[rate_limited(100/s, burst = 1, wait = 5s)]
    ten_times_as_many_callers_that_leave[number](Callers { of_second: 1000, ..HASTY }, 50, of 100);
    #[rate_limited(100/s, burst = 1, wait = 5s)]
    ten_times_as_many_callers_that_stay[number](Callers { of_second: 1000, ..PATIENT }, 50, of 100);
    #[rate_limited(1000/s, burst = 1, wait = 5s)]
    turns_that_are_closer_than_timers_are_exact[number](Callers { of_second: 1250, seconds: 8, ..HASTY }, 50, of 1000);
    #[rate_limited(5/s, burst = 1, wait = 1h)]
    turns_that_are_rare[number](Callers { of_second: 7, seconds: 60, ..PATIENT }, 100, of 5);
    #[deadline(1s)] #[rate_limited(100/s, burst = 1, wait = 5s)]
    callers_with_a_deadline[number](PATIENT, 400, of 100);
    #[deadline(1s)] #[rate_limited(100/s, burst = 1, wait = 60s, per = attempt)] #[retry(attempts = 3, backoff = 10ms..100ms, idempotent)]
    attempts_that_need_half_of_the_time[number](PATIENT, 490, of 100);
    #[deadline(1s)] #[rate_limited(100/s, burst = 1, wait = 60s, per = attempt)] #[retry(attempts = 3, backoff = 10ms..100ms, idempotent)] #[hardening::bulkhead(max = 100, queue = 1000)]
    attempts_that_need_half_of_the_time_and_a_place[number](PATIENT, 490, of 100);
    #[rate_limited(100/s, burst = 1, wait = 5s)] #[rate_limited(20/s, wait = 5s, key = number % 100)]
    a_limit_of_all_and_one_of_each_key[number](PATIENT, 50, of 100);
    #[rate_limited(20/s, wait = 5s, key = number % 100)] #[rate_limited(100/s, burst = 1, wait = 5s)]
    a_limit_of_each_key_and_one_of_all[number](HASTY, 50, of 100);
    #[rate_limited(10/s, burst = 1, wait = 5s, key = number % 10)] #[rate_limited(1000/s)]
    keys_of_which_each_is_overloaded[number](Callers { of_second: 130, ..PATIENT }, 50, of 100);
    #[rate_limited(100/s, burst = 1, wait = 5s)] #[rate_limited(10/s, burst = 1, wait = 5s, key = number % 10)]
    keys_and_all_that_are_overloaded[number](Callers { of_second: 130, ..PATIENT }, 50, of 100);
    #[rate_limited(100/s, burst = 2, wait = 5s)] #[rate_limited(100/s, burst = 1, wait = 5s, per = attempt)] #[retry(attempts = 2, idempotent)]
    limits_of_call_and_attempt[number](PATIENT, 50, of 100);
    #[rate_limited(100/s, burst = 1, wait = 5s, per = attempt)] #[rate_limited(20/s, wait = 5s, key = number % 100, per = attempt)] #[retry(attempts = 2, idempotent)]
    limits_of_an_attempt[number](HASTY, 50, of 100);
    #[rate_limited(300/s, burst = 8, wait = 5s, cost = 1 + number % 5)]
    calls_of_several_costs[number](PATIENT, 50, of 100);
    #[rate_limited(300/s, burst = 5, wait = 5s, cost = 1 + number % 5)] #[rate_limited(50/s, wait = 5s, cost = 1 + number % 3, key = number % 50)]
    calls_of_several_costs_in_two_limits[number](HASTY, 50, of 100);
}

static SERVED: AtomicU32 = AtomicU32::new(0);

/// What an overload has left behind keeps nobody who comes after it waiting.
#[tokio::test(start_paused = true)]
async fn newcomers_are_served_at_once_when_the_load_falls() {
    #[rate_limited(100/s, burst = 1, wait = 10s)]
    #[rate_limited(50/s, key = k % 64, wait = 10s)]
    async fn work(k: u32) -> Answer {
        SERVED.fetch_add(1, Ordering::Relaxed);
        let _ = k;
        Ok(())
    }
    let old = tokio::spawn(async {
        let mut calls = JoinSet::new();
        for k in 0..2000 {
            calls.spawn(work(k));
            sleep(ms(5)).await;
        }
        calls.join_all().await
    });
    sleep(Duration::from_secs(10)).await;
    let served = answers(Callers { of_second: 80, useful: ms(50), ..PATIENT }, work).await;
    assert!(served.iter().all(|count| *count >= 78), "{served:?}");
    let old = old.await.unwrap();
    let refused = old.iter().filter(|answer| answer.is_err()).count();
    assert!(refused > 500 && old.len() - refused > 1000, "{refused} of {}", old.len());
    let all = SERVED.load(Ordering::Relaxed);
    assert!(all >= 2750, "turns that newcomers do not need are for the others: {all}");
}

/// Ten come at once, each tenth of a second and more: all turns are for those of the last few.
#[tokio::test(start_paused = true)]
async fn bursts_of_callers_that_leave_are_served_as_they_come() {
    #[rate_limited(100/s, burst = 1, wait = 5s)]
    async fn work(takes: u64) -> Answer {
        sleep(ms(takes)).await;
        Ok(())
    }
    let (good, mut calls) = (Arc::new(AtomicU32::new(0)), JoinSet::new());
    for _ in 0..125 {
        for _ in 0..10 {
            let good = Arc::clone(&good);
            calls.spawn(async move {
                let answer = within(ms(200), work(90)).await;
                good.fetch_add(u32::from(matches!(answer, Ok(Ok(())))), Ordering::Relaxed);
            });
        }
        sleep(ms(80)).await;
    }
    let good = good.load(Ordering::Relaxed);
    assert!(good >= 900, "{good} of 1000");
}

/// A tenant that asks for ten times as much as it may have its own order; nobody else waits for it, nor in another order.
#[tokio::test(start_paused = true)]
async fn an_overloaded_key_changes_nothing_for_others() {
    #[rate_limited(100/s, burst = 20, wait = 1s)]
    #[rate_limited(10/s, burst = 1, wait = 5s, key = k)]
    async fn work(k: u32) -> Answer {
        let _ = k;
        Ok(())
    }
    let noisy = tokio::spawn(async {
        let mut calls = JoinSet::new();
        loop {
            calls.spawn(work(1));
            sleep(ms(10)).await;
        }
    });
    sleep(Duration::from_secs(2)).await;
    let callers = Callers { of_second: 80, useful: ms(20), ..PATIENT };
    let served = answers(callers, |number| work(number + 100)).await;
    assert!(served.iter().all(|count| *count >= 79), "{served:?}");
    noisy.abort();
}

policy! {
    static OVERLOADED_TURNS: RateLimiter = { rate = 100/s, burst = 1, wait = 5s };
}

#[rate_limited(OVERLOADED_TURNS)]
async fn alone(_: u32) -> Answer {
    sleep(ms(50)).await;
    Ok(())
}

#[rate_limited(OVERLOADED_TURNS)]
#[rate_limited(50/s, wait = 5s, key = k % 50)]
async fn with_a_key(k: u32) -> Answer {
    let _ = k;
    sleep(ms(50)).await;
    Ok(())
}

/// Two functions share the limit, and one of them has another beside it.
#[tokio::test(start_paused = true)]
async fn functions_that_share_a_limit_keep_its_goodput() {
    let call = |k| async move { if k % 2 == 0 { alone(k).await } else { with_a_key(k).await } };
    assert_good(&answers(HASTY, call).await, 100);
}

/// Dear callers took turns that did not suffice from cheap ones, which took them back at once, and so on without an end.
#[test]
fn callers_of_different_costs_do_not_take_turns_from_each_other_for_ever() {
    #[rate_limited(200/s, burst = 80, wait = 20s, cost = cost)]
    async fn work(cost: u32) -> Answer {
        let _ = cost;
        Ok(())
    }
    let calls = async {
        let (mut random, mut calls) = (fastrand::Rng::with_seed(0), JoinSet::new());
        for _ in 0..3000 {
            let cost = if random.u32(0..4) == 0 { random.u32(20..80) } else { 1 };
            calls.spawn(tokio::time::timeout(ms(random.u64(1..15_000)), work(cost)));
            sleep(ms(random.u64(0..6))).await;
        }
        calls.join_all().await.iter().filter(|answer| matches!(answer, Ok(Ok(())))).count()
    };
    // No timer of paused time ends what is always at work.
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let _ = done.send(runtime.unwrap().block_on(calls));
    });
    let served = is_done.recv_timeout(Duration::from_mins(1)).expect("it goes on for ever");
    assert!(served > 300, "{served}");
}

//! Limits of several keys and costs, shared by functions, whose callers leave while the numbers change.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{Rejected, policy, rate_limited, retry};
use hardening_spec::settings::{Raw, set};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::support::ms;

fn put(call: &str, key: &str, value: Raw<'_>) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.own();
    set(&mut spec, "rate_limited", key, value).unwrap();
    site.configure(&spec);
}

/// Offers 25 calls a second for twenty seconds, whose callers leave after one; answers what `served` grew by in each five.
async fn offer<F>(served: &AtomicU32, call: impl Fn(u32) -> F) -> Vec<u32>
where
    F: Future<Output = Result<u32, Rejected>> + Send + 'static,
{
    let (mut counts, mut calls, mut number) = (Vec::new(), JoinSet::new(), 0);
    for _ in 0..4 {
        let before = served.load(Ordering::Relaxed);
        for _ in 0..125 {
            let next = call(number);
            calls.spawn(async move { drop(timeout(ms(1000), next).await) });
            number += 1;
            sleep(ms(40)).await;
        }
        counts.push(served.load(Ordering::Relaxed) - before);
    }
    calls.shutdown().await;
    counts
}

policy! {
    static MIXED_TURNS: RateLimiter = { rate = 20/s, burst = 1, wait = 5s };
}

static SERVED: AtomicU32 = AtomicU32::new(0);

#[rate_limited(MIXED_TURNS)]
#[rate_limited(1000/s, key = k)]
async fn of_call(k: u32) -> Result<u32, Rejected> {
    SERVED.fetch_add(1, Ordering::Relaxed);
    Ok(k)
}

#[retry(attempts = 2, idempotent)]
#[rate_limited(MIXED_TURNS, per = attempt)]
#[rate_limited(1000/s, key = k, per = attempt)]
async fn of_attempt(k: u32) -> Result<u32, Rejected> {
    SERVED.fetch_add(1, Ordering::Relaxed);
    Ok(k)
}

#[tokio::test(start_paused = true)]
async fn turns_given_up_by_callers_of_one_function_go_to_those_of_another() {
    let call = |n| async move { if n % 2 == 0 { of_call(n % 7).await } else { of_attempt(n % 7).await } };
    let served = offer(&SERVED, call).await;
    assert!(served[1..].iter().all(|it| (94..=101).contains(it)), "{served:?}");
}

static UNITS: AtomicU32 = AtomicU32::new(0);

#[rate_limited(60/s, burst = 3, wait = 5s, cost = 1 + 4 * (k % 2))]
#[rate_limited(1000/s, key = k)]
async fn of_either_cost(k: u32) -> Result<u32, Rejected> {
    UNITS.fetch_add(1 + 4 * (k % 2), Ordering::Relaxed);
    Ok(k)
}

#[tokio::test(start_paused = true)]
async fn turns_of_any_cost_are_used_once_the_burst_allows_for_it() {
    assert_eq!(of_either_cost(1).await.unwrap_err().retry_after(), None, "it costs more than the burst");
    put("turns_mixed::of_either_cost", "burst", Raw::Int(5));
    let served = offer(&UNITS, of_either_cost).await;
    assert!(served[1..].iter().all(|it| (285..=306).contains(it)), "{served:?}");
}

struct Start {
    user: u32,
    tenant: u32,
    cost: u32,
    at: Instant,
}

static STARTS: Mutex<Vec<Start>> = Mutex::new(Vec::new());

#[rate_limited(50/s, burst = 2, wait = 10s, cost = cost)]
#[rate_limited(10/s, burst = 2, wait = 10s, key = user)]
#[rate_limited(5/s, burst = 3, wait = 10s, key = tenant, cost = cost)]
async fn of_user(user: u32, tenant: u32, cost: u32) -> Result<(), Rejected> {
    STARTS.lock().unwrap().push(Start { user, tenant, cost, at: Instant::now() });
    Ok(())
}

/// In any span no more units than `burst` and `rate` times the span.
fn holds(of_key: impl Iterator<Item = (Instant, u128)>, burst: u128, rate: u128) {
    let mut of_key: Vec<_> = of_key.collect();
    of_key.sort_unstable();
    for (at, from) in of_key.iter().enumerate() {
        let mut units = 0;
        for to in &of_key[at..] {
            units += to.1;
            assert!(units <= burst + (to.0 - from.0).as_millis() * rate / 1000, "{units} from {at} on");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_key_s_rate_holds_while_callers_leave_and_the_numbers_change() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut calls = JoinSet::new();
    for _ in 0..300 {
        let (user, tenant, cost) = (random.u32(..3), random.u32(..3), random.u32(1..=2));
        let patience = ms(random.u64(10..9000));
        calls.spawn(async move { drop(timeout(patience, of_user(user, tenant, cost)).await) });
        sleep(ms(random.u64(..60))).await;
    }
    put("turns_mixed::of_user", "rate", Raw::Text("30/s"));
    let _ = calls.join_all().await;
    let starts = STARTS.lock().unwrap();
    for key in 0..3 {
        let tenant = starts.iter().filter(|start| start.tenant == key);
        holds(tenant.map(|start| (start.at, start.cost.into())), 3, 5);
        let user = starts.iter().filter(|start| start.user == key);
        holds(user.map(|start| (start.at, 1)), 2, 10);
    }
    assert!(starts.len() > 60, "{}", starts.len());
}

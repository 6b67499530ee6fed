//! Turns in rate limits: several limits at once, callers that leave, deadlines, and numbers that change.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, bulkhead, deadline, policy, rate_limited, retry, timeout};
use hardening_spec::settings::{Raw, set};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout as within};

use super::support::ms;

const SECOND: Duration = Duration::from_secs(1);

/// When bodies began, each with its key.
struct Begun(Mutex<Vec<(u32, Instant)>>);

impl Begun {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn note(&self, key: u32) {
        self.0.lock().unwrap().push((key, Instant::now()));
    }

    fn of(&self, key: u32, since: Instant) -> Vec<u128> {
        let all = self.0.lock().unwrap();
        let mut of_key: Vec<_> =
            all.iter().filter(|(other, _)| *other == key).map(|(_, at)| (*at - since).as_millis()).collect();
        of_key.sort_unstable();
        of_key
    }
}

/// Offers a call each `every` for so many times five seconds; answers how many bodies ran in each.
async fn offer<F: Future + Send + 'static>(
    rounds: usize,
    every: Duration,
    patience: Duration,
    served: &'static AtomicU32,
    call: impl Fn(u32) -> F,
) -> Vec<u32>
where
    F::Output: Send,
{
    let (begun, mut at) = (Instant::now(), Duration::ZERO);
    let (mut calls, mut counts, mut number) = (JoinSet::new(), Vec::new(), 0);
    for round in 1..=rounds {
        let before = served.load(Ordering::Relaxed);
        while at < 5 * SECOND * u32::try_from(round).unwrap() {
            sleep_until(begun + at).await;
            let next = call(number);
            calls.spawn(async move {
                let _ = within(patience, next).await;
            });
            at += every;
            number += 1;
        }
        counts.push(served.load(Ordering::Relaxed) - before);
    }
    calls.shutdown().await;
    counts
}

/// One function for each composition, each with a count of its bodies.
macro_rules! counted {
    ($($(#[$attribute:meta])+ $name:ident($k:ident) $count:ident;)+) => {
        $(
            static $count: AtomicU32 = AtomicU32::new(0);

            $(#[$attribute])+
            async fn $name($k: u32) -> Result<u32, Rejected> {
                $count.fetch_add(1, Ordering::Relaxed);
                Ok($k)
            }
        )+
    };
}

policy! {
    static COMMON: RateLimiter = { rate = 20/s, burst = 20, wait = 5s };
    static ACCOUNTS: RateLimiter = { rate = 1000/s, keyed };
}

counted! {
    #[rate_limited(20/s, wait = 5s)] one_limit(k) ONE_LIMIT;
    #[rate_limited(20/s, wait = 5s)] #[rate_limited(1000/s, key = k)] and_keyed(k) AND_KEYED;
    #[rate_limited(1000/s, key = k)] #[rate_limited(20/s, wait = 5s)] keyed_and(k) KEYED_AND;
    #[rate_limited(20/s, wait = 5s, per = attempt)] #[rate_limited(1000/s, key = k, per = attempt)]
    of_attempts(k) OF_ATTEMPTS;
    #[rate_limited(20/s, wait = 5s, per = attempt)] #[rate_limited(1000/s, key = k)] mixed(k) MIXED;
    #[rate_limited(40/s, wait = 5s, cost = 2)] #[rate_limited(1000/s, key = k)] with_cost(k) WITH_COST;
    #[rate_limited(20/s, wait = 5s)] #[rate_limited(1000/s, key = k)] #[rate_limited(100/s, burst = 1, wait = 1s, key = 1)]
    three_limits(k) THREE_LIMITS;
    #[rate_limited(COMMON)] #[rate_limited(ACCOUNTS, key = k)] shared(k) SHARED;
    #[rate_limited(20/s, wait = 5s)] #[rate_limited(1000/s, key = k, max_keys = 1)] overflowing(k) OVERFLOWING;
    #[rate_limited(20/s, wait = 5s)] #[rate_limited(1000/s, key = k)] #[retry(attempts = 2, idempotent)]
    with_retry(k) WITH_RETRY;
    #[rate_limited(20/s, wait = 5s)] #[rate_limited(1000/s, key = k)] #[bulkhead(max = 5, queue = 5)]
    with_bulkhead(k) WITH_BULKHEAD;
}

/// 25 calls a second are offered to a limit of 20, and callers leave after a second: every turn is used, however limits are
/// composed.
#[tokio::test(start_paused = true)]
async fn turns_that_are_given_up_go_to_those_who_wait() {
    macro_rules! composed {
        ($($name:ident $count:ident)+) => {
            $(
                let served = offer(6, ms(40), SECOND, &$count, |number| $name(number % 7)).await;
                assert!(served[0] >= 100, "{}: {served:?}", stringify!($name));
                assert!(served[1..].iter().all(|served| (95..=101).contains(served)), "{}: {served:?}", stringify!($name));
            )+
        };
    }
    composed! {
        one_limit ONE_LIMIT and_keyed AND_KEYED keyed_and KEYED_AND of_attempts OF_ATTEMPTS mixed MIXED
        with_cost WITH_COST three_limits THREE_LIMITS shared SHARED overflowing OVERFLOWING
        with_retry WITH_RETRY with_bulkhead WITH_BULKHEAD
    }
}

static AFTER_OTHERS: Begun = Begun::new();

#[rate_limited(10/s, burst = 1, wait = 60s)]
#[rate_limited(1000/s, burst = 1000, key = k)]
async fn after_others(k: u32) -> Result<(), Rejected> {
    AFTER_OTHERS.note(k);
    Ok(())
}

/// Nobody new comes: the callers behind move up, in their order.
#[tokio::test(start_paused = true)]
async fn who_waits_moves_up_when_others_leave() {
    let begun = Instant::now();
    let mut calls: Vec<_> = (0..101).map(|k| Some(tokio::spawn(after_others(k)))).collect();
    sleep(ms(50)).await;
    // Of those who wait for a turn between 0.1 and 10 s, every other leaves.
    for at in (1..101).step_by(2) {
        calls[at].take().unwrap().abort();
    }
    for call in calls.into_iter().flatten() {
        call.await.unwrap().unwrap();
    }
    let all: Vec<_> = (0..101).flat_map(|k| AFTER_OTHERS.of(k, begun)).collect();
    assert_eq!(all.len(), 51);
    let expected: Vec<u128> = (0..51).map(|at| at * 100).collect();
    assert_eq!(all, expected, "in the order of their coming, at the full rate");
}

static UNPOLLED: Begun = Begun::new();

#[rate_limited(10/s, burst = 1, wait = 60s)]
async fn unpolled(k: u32) -> Result<(), Rejected> {
    UNPOLLED.note(k);
    Ok(())
}

/// A caller that is not polled holds its own turn, and nobody else's.
#[tokio::test(start_paused = true)]
async fn who_is_not_polled_holds_up_nobody() {
    let begun = Instant::now();
    unpolled(0).await.unwrap();
    let leaver = tokio::spawn(unpolled(1));
    yield_now().await;
    let mut stuck = Box::pin(unpolled(2));
    assert!(within(Duration::ZERO, &mut stuck).await.is_err());
    let others: Vec<_> = (3..6).map(|k| tokio::spawn(unpolled(k))).collect();
    yield_now().await;
    leaver.abort();
    for call in others {
        call.await.unwrap().unwrap();
    }
    let at = |k| UNPOLLED.of(k, begun);
    // One of them has the turn that was given up, the others keep theirs or move up.
    assert!(at(3)[0] <= 110 && at(4)[0] <= 310 && at(5)[0] <= 410, "{:?}", (at(3), at(4), at(5)));
    stuck.await.unwrap();
}

static BUNCH: Begun = Begun::new();

#[rate_limited(10/s, burst = 1, wait = 10s)]
async fn bunch(k: u32) -> Result<(), Rejected> {
    BUNCH.note(k);
    Ok(())
}

static JOINT_BUNCH: Begun = Begun::new();

#[rate_limited(10/s, burst = 2, wait = 10s, key = k)]
#[rate_limited(1000/s, burst = 1000, wait = 10s)]
async fn joint_bunch(k: u32) -> Result<(), Rejected> {
    JOINT_BUNCH.note(k);
    Ok(())
}

/// Turns that come while nobody polls their callers are not all used at once when somebody does.
#[tokio::test(start_paused = true)]
async fn turns_that_have_gone_by_are_no_burst() {
    let begun = Instant::now();
    bunch(0).await.unwrap();
    let mut calls: Vec<_> = (0..8).map(|_| Box::pin(bunch(0))).collect();
    let mut joint: Vec<_> = (0..8).map(|_| Box::pin(joint_bunch(7))).collect();
    for call in &mut calls {
        assert!(within(Duration::ZERO, call).await.is_err());
    }
    for call in &mut joint {
        let _ = within(Duration::ZERO, call).await;
    }
    sleep(2 * SECOND).await;
    // A newcomer is bound by the same numbers.
    let newcomer = tokio::spawn(bunch(0));
    for call in calls {
        call.await.unwrap();
    }
    newcomer.await.unwrap().unwrap();
    for call in joint.drain(2..) {
        call.await.unwrap();
    }
    for (at, burst) in [(BUNCH.of(0, begun), 1), (JOINT_BUNCH.of(7, begun), 2)] {
        for (first, from) in at.iter().enumerate() {
            for (last, to) in at.iter().enumerate().skip(first) {
                assert!((last - first) as u128 <= burst + (to - from) / 100, "{first} to {last}: {at:?}");
            }
        }
    }
}

/// Timers are late by a few milliseconds, and a busy machine by some more: such a turn is the caller's.
#[tokio::test(start_paused = true)]
async fn a_turn_that_is_polled_a_little_late_is_not_lost() {
    #[rate_limited(10/s, burst = 1, wait = 10s)]
    async fn little() -> Result<(), Rejected> {
        Ok(())
    }
    little().await.unwrap();
    let mut call = Box::pin(little());
    assert!(within(Duration::ZERO, &mut call).await.is_err());
    sleep(ms(140)).await;
    let late = Instant::now();
    call.await.unwrap();
    assert_eq!(late.elapsed(), Duration::ZERO);
    little().await.unwrap();
    assert_eq!(late.elapsed(), ms(60), "charged for its turn");
}

static BEHIND: Begun = Begun::new();

#[rate_limited(20/s, burst = 1, wait = 10s)]
#[rate_limited(5/s, burst = 1, wait = 10s, key = k)]
async fn behind_another(k: u32) -> Result<(), Rejected> {
    BEHIND.note(k);
    Ok(())
}

static BEHIND_OF_ATTEMPT: Begun = Begun::new();

#[rate_limited(5/s, burst = 1, wait = 10s, key = k, per = attempt)]
#[rate_limited(20/s, burst = 1, wait = 10s, per = attempt)]
async fn attempt_behind_another(k: u32) -> Result<(), Rejected> {
    BEHIND_OF_ATTEMPT.note(k);
    Ok(())
}

static WITHOUT_WAIT: Begun = Begun::new();

#[rate_limited(20/s, burst = 1, wait = 10s)]
#[rate_limited(5/s, burst = 1, key = k)]
async fn without_wait(k: u32) -> Result<(), Rejected> {
    WITHOUT_WAIT.note(k);
    Ok(())
}

/// Behind the queue of another limit a key's rate holds as well: when its bodies begin, not when they were queued.
#[tokio::test(start_paused = true)]
async fn a_key_s_rate_holds_behind_the_queue_of_another_limit() {
    macro_rules! behind {
        ($($name:ident $begun:ident)+) => {
            $(
                let begun = Instant::now();
                let mut calls = JoinSet::new();
                for k in 0..60 {
                    calls.spawn($name(100 + k));
                }
                for _ in 0..20 {
                    calls.spawn($name(1));
                }
                let _ = calls.join_all().await;
                let starts = $begun.of(1, begun);
                assert!(!starts.is_empty());
                for pair in starts.windows(2) {
                    assert!(pair[1] - pair[0] >= 200, "{}: {starts:?}", stringify!($name));
                }
                let mut all: Vec<_> = (0..160).flat_map(|k| $begun.of(k, begun)).collect();
                all.sort_unstable();
                assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= 50), "{all:?}");
                assert!(all.len() >= 60);
            )+
        };
    }
    behind! { behind_another BEHIND attempt_behind_another BEHIND_OF_ATTEMPT without_wait WITHOUT_WAIT }
    let waited = BEHIND.0.lock().unwrap().iter().filter(|(k, _)| *k == 1).count();
    assert!(waited >= 20, "all of key 1 fit into ten seconds: {waited}");
}

/// Bodies that end in time, of what a thousand a second would be.
macro_rules! overloaded {
    ($($(#[$attribute:meta])+ $name:ident($k:ident) $count:ident;)+) => {
        $(
            static $count: AtomicU32 = AtomicU32::new(0);

            $(#[$attribute])+
            async fn $name($k: u32) -> Result<(), Rejected> {
                sleep(Duration::from_micros(u64::from($k) * 997 % 50_000)).await;
                $count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        )+
    };
}

overloaded! {
    #[deadline(100ms)] #[rate_limited(1000/s, burst = 1, wait = 5s)] hurried(k) HURRIED;
    #[deadline(100ms)] #[rate_limited(1000/s, burst = 1, wait = 60ms)] patient(k) PATIENT;
    #[deadline(100ms)] #[rate_limited(1000/s, burst = 1, wait = 5s, per = attempt)] hurried_attempt(k) HURRIED_ATTEMPT;
    #[timeout(100ms)] #[rate_limited(1000/s, burst = 1, wait = 5s, per = attempt)] cut_attempt(k) CUT_ATTEMPT;
    #[deadline(100ms)] #[rate_limited(1000/s, burst = 1, wait = 5s)] #[rate_limited(500/s, burst = 500, wait = 5s, key = k % 4)]
    two_hurried(k) TWO_HURRIED;
    #[deadline(100ms)] #[rate_limited(1000/s, burst = 1, wait = 5s)] #[retry(attempts = 3, idempotent)]
    retried(k) RETRIED;
}

/// A turn that leaves the body no time is not given: under overload the bodies end in time, for ever.
#[tokio::test(start_paused = true)]
async fn overload_costs_no_goodput() {
    macro_rules! overload {
        ($($name:ident $count:ident)+) => {
            $(
                let served = offer(3, Duration::from_micros(800), 5 * SECOND, &$count, $name).await;
                assert!(served.iter().all(|served| *served >= 4500), "{}: {served:?}", stringify!($name));
                let served = offer(1, Duration::from_micros(500), 5 * SECOND, &$count, $name).await;
                assert!(served[0] >= 4500, "{} at 200 %: {served:?}", stringify!($name));
            )+
        };
    }
    overload! {
        hurried HURRIED patient PATIENT hurried_attempt HURRIED_ATTEMPT cut_attempt CUT_ATTEMPT
        two_hurried TWO_HURRIED retried RETRIED
    }
}

/// Puts a number of a limit in force, as a settings file does.
fn put(call: &str, policy: &str, key: &str, value: &str) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.own();
    let value = value.parse().map_or(Raw::Text(value), Raw::Int);
    set(&mut spec, policy, key, value).unwrap();
    site.configure(&spec);
}

#[rate_limited(10/min, burst = 10)]
async fn raised() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(10/min, burst = 10, key = k)]
async fn raised_keyed(k: u32) -> Result<u32, Rejected> {
    Ok(k)
}

#[rate_limited(1/h, burst = 5)]
async fn hourly() -> Result<(), Rejected> {
    Ok(())
}

fn told(result: Result<(), Rejected>) -> Duration {
    match result {
        Ok(()) => Duration::ZERO,
        Err(refused) => refused.retry_after().unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_is_open_at_once() {
    for _ in 0..10 {
        raised().await.unwrap();
        raised_keyed(1).await.unwrap();
    }
    assert!(told(raised().await) == 6 * SECOND && raised_keyed(1).await.is_err());
    put("turns::raised", "rate_limited", "rate", "100/s");
    put("turns::raised_keyed", "rate_limited", "rate", "100/s");
    assert_eq!(told(raised().await), ms(10));
    sleep(ms(100)).await;
    for _ in 0..10 {
        raised().await.unwrap();
        raised_keyed(1).await.unwrap();
    }
    for _ in 0..5 {
        hourly().await.unwrap();
    }
    assert_eq!(told(hourly().await), 3600 * SECOND);
    put("turns::hourly", "rate_limited", "rate", "1000/s");
    assert_eq!(told(hourly().await), ms(1));
    sleep(ms(1)).await;
    hourly().await.unwrap();
}

static RESCHEDULED: Begun = Begun::new();

#[rate_limited(1/min, burst = 1, wait = 1h)]
#[rate_limited(100/s, burst = 100, key = k % 2)]
async fn rescheduled(k: u32) -> Result<(), Rejected> {
    RESCHEDULED.note(k);
    Ok(())
}

/// Who waits is given new turns when the numbers change, in the old order, until the limit is switched off.
#[tokio::test(start_paused = true)]
async fn who_waits_follows_the_numbers() {
    let begun = Instant::now();
    let mut calls: Vec<_> = (0..30).map(|k| tokio::spawn(rescheduled(k))).collect();
    sleep(SECOND).await;
    let refused = rescheduled(99);
    put("turns::rescheduled", "rate_limited", "rate", "10/s");
    sleep(ms(450)).await;
    let at = |k| RESCHEDULED.of(k, begun);
    assert_eq!([at(1), at(2), at(3), at(4)], [[1100], [1200], [1300], [1400]]);
    // Lowered: the next in line goes on at the new rate.
    put("turns::rescheduled", "rate_limited", "rate", "1/s");
    sleep(ms(2000)).await;
    let next = at(5)[0];
    assert!(next == 1500 && at(6) == [2500] && at(7).is_empty(), "{:?}", (at(5), at(6)));
    put("turns::rescheduled", "rate_limited", "wait", "2s");
    assert_eq!(told(refused.await), Duration::from_millis(u64::try_from(next + 25_000 - 3450).unwrap()));
    let site = hardening::catalogue::site("turns::rescheduled").unwrap();
    let mut spec = site.own();
    spec.rate_limits[0] = None;
    site.configure(&spec);
    yield_now().await;
    for call in calls.drain(..) {
        within(Duration::ZERO, call).await.unwrap().unwrap().unwrap();
    }
    assert!((7..30).all(|k| at(k) == [3450]), "{:?}", at(7));
}

#[rate_limited(10/s, burst = 1, wait = 2s)]
async fn lowered(_k: u32) -> Result<(), Rejected> {
    Ok(())
}

/// A turn that a lowered rate moves beyond the wait is refused, with the time that it would take.
#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused_when_the_rate_falls() {
    let calls: Vec<_> = (0..10).map(|k| tokio::spawn(lowered(k))).collect();
    sleep(ms(50)).await;
    put("turns::lowered", "rate_limited", "rate", "1/s");
    let mut out = Vec::new();
    for call in calls {
        out.push(told(call.await.unwrap()).as_millis());
    }
    assert!(out[..2].iter().all(|told| *told == 0), "{out:?}");
    assert!(out[3..].iter().all(|told| *told > 0), "{out:?}");
}

static STALLED: Begun = Begun::new();

#[rate_limited(1/s, burst = 1, wait = 60s)]
async fn stalled(k: u32) -> Result<(), Rejected> {
    STALLED.note(k);
    Ok(())
}

/// A machine that stands still for a moment loses nobody's turn: the next one is far.
#[tokio::test(start_paused = true)]
async fn a_short_stall_keeps_the_order_and_every_turn() {
    let begun = Instant::now();
    stalled(9).await.unwrap();
    let mut calls = Vec::new();
    for k in 0..6 {
        calls.push(tokio::spawn(stalled(k)));
        yield_now().await;
    }
    sleep(ms(990)).await;
    tokio::time::advance(ms(100)).await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let at: Vec<_> = (0..6).map(|k| STALLED.of(k, begun)[0]).collect();
    assert!((1090..=1100).contains(&at[0]) && at[1..] == [2000, 3000, 4000, 5000, 6000], "{at:?}");
}

/// A caller whose turn has gone by gets no turn beyond its deadline, nor beyond `wait`.
#[tokio::test(start_paused = true)]
async fn a_turn_that_has_gone_by_is_replaced_within_the_callers_time_or_not_at_all() {
    #[rate_limited(10/s, burst = 1, wait = 10m, key = k)]
    async fn crowded(k: u32) -> Result<(), Rejected> {
        let _ = k;
        Ok(())
    }
    #[deadline(3s)]
    async fn hurried(k: u32) -> Result<(), Rejected> {
        crowded(k).await
    }
    #[rate_limited(10/s, burst = 1, wait = 2s)]
    async fn impatient() -> Result<(), Rejected> {
        Ok(())
    }
    let begun = Instant::now();
    crowded(1).await.unwrap();
    impatient().await.unwrap();
    let late = [tokio::spawn(hurried(1)), tokio::spawn(impatient())];
    yield_now().await;
    let behind: Vec<_> = (0..60).map(|_| tokio::spawn(crowded(1))).collect();
    let also: Vec<_> = (0..19).map(|_| tokio::spawn(impatient())).collect();
    sleep(ms(90)).await;
    tokio::time::advance(ms(500)).await;
    for call in late {
        let end = call.await.unwrap();
        assert!(matches!(end, Err(Rejected::RateLimited { .. })), "{end:?}");
        assert!(begun.elapsed() <= ms(600), "refused at once, not after {:?}", begun.elapsed());
    }
    // Those who come in time have their turns.
    for call in behind.into_iter().skip(5).chain(also.into_iter().skip(5)) {
        call.await.unwrap().unwrap();
    }
    assert!(begun.elapsed() <= ms(6200), "{:?}", begun.elapsed());
}

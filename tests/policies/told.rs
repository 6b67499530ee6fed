//! What bodies and subscribers are told: the number of the attempt, and the events of the policies.

use std::sync::Mutex;
use std::time::Duration;

use hardening::events::{self, CacheResult, CircuitState, Events, FallbackReason, Kind, RetryReason};
use hardening::{
    Rejected, bulkhead, cached, circuit_breaker, context, fallback, hedged, rate_limited, retry, timeout,
};
use tokio::time::sleep;

use super::support::metric;

static SEEN: Mutex<Vec<(&str, u32)>> = Mutex::new(Vec::new());

fn see(call: &'static str) {
    SEEN.lock().unwrap().push((call, context::attempt()));
}

/// What `call` saw until now.
fn seen(call: &str) -> Vec<u32> {
    let seen = SEEN.lock().unwrap();
    seen.iter().filter(|(name, _)| *name == call).map(|(_, number)| *number).collect()
}

#[retry(attempts = 20, backoff = 1ms, budget = none, idempotent)]
async fn repeated(call: &'static str) -> Result<(), Rejected> {
    see(call);
    helper(call).await?;
    Err(Rejected::ShuttingDown)
}

/// Repeats nothing: it sees the attempt around it.
#[timeout(1s)]
async fn helper(call: &'static str) -> Result<(), Rejected> {
    if call == "nested" {
        return inner().await;
    }
    see(call);
    Ok(())
}

/// Repeats on its own: its attempts are counted anew.
#[retry(attempts = 2, backoff = 1ms, budget = none, idempotent)]
async fn inner() -> Result<(), Rejected> {
    see("inner");
    if context::attempt() == 1 { Err(Rejected::ShuttingDown) } else { Ok(()) }
}

#[hedged(after = 10ms, max = 2, budget = 100%, idempotent)]
async fn beside() -> Result<u32, Rejected> {
    see("beside");
    let number = context::attempt();
    sleep(Duration::from_millis(if number == 3 { 5 } else { 1000 })).await;
    assert_eq!(context::attempt(), number, "at every poll");
    Ok(number)
}

#[fallback(Ok(context::attempt()))]
#[retry(attempts = 2, backoff = 1ms, budget = none, idempotent)]
async fn answered() -> Result<u32, Rejected> {
    Err(Rejected::ShuttingDown)
}

#[tokio::test(start_paused = true)]
async fn bodies_know_the_number_of_their_attempt() {
    assert_eq!(context::attempt(), 1, "outside any call");
    helper("alone").await.unwrap();
    assert_eq!(seen("alone"), [1]);
    let _ = repeated("repeated").await;
    let twice: Vec<u32> = (1..=20).flat_map(|number| [number, number]).collect();
    assert_eq!(seen("repeated"), twice);
    let _ = repeated("nested").await;
    assert_eq!(seen("nested"), (1..=20).collect::<Vec<_>>());
    assert_eq!(seen("inner"), [1, 2].repeat(20));
    assert_eq!(answered().await, Ok(1), "a fallback is no attempt");
    let spawned = tokio::spawn(async { context::attempt() }).await.unwrap();
    assert_eq!(spawned, 1);
}

#[tokio::test(start_paused = true)]
async fn executions_side_by_side_are_numbered() {
    assert_eq!(beside().await, Ok(3));
    assert_eq!(seen("beside"), [1, 2, 3]);
}

/// The events of one call until now.
fn of(events: &mut Events, call: &str) -> Vec<Kind> {
    let mut found = Vec::new();
    while let Some(event) = events.try_next() {
        if event.call == call {
            found.push(event.kind);
        }
    }
    found
}

#[fallback(Ok(0))]
#[retry(attempts = 2, backoff = 10ms, jitter = none, idempotent)]
#[circuit_breaker(consecutive = 2, open_for = 5s)]
async fn fails() -> Result<u32, Rejected> {
    Err(Rejected::ShuttingDown)
}

#[bulkhead(max = 1)]
#[hedged(after = 10ms, budget = 100%, idempotent)]
async fn slow() -> Result<u32, Rejected> {
    sleep(Duration::from_millis(100)).await;
    Ok(1)
}

#[hedged(after = 10ms, budget = 100%, idempotent)]
async fn hedges() -> Result<u32, Rejected> {
    sleep(Duration::from_millis(100)).await;
    Ok(1)
}

#[cached(ttl = 1s, key = key)]
async fn kept(key: u32) -> Result<u32, Rejected> {
    Ok(key)
}

#[tokio::test(start_paused = true)]
async fn subscribers_get_what_policies_do() {
    let mut events = events::subscribe();
    assert_eq!(fails().await, Ok(0));
    let delay = Duration::from_millis(10);
    let open = Kind::CircuitChanged { from: CircuitState::Closed, to: CircuitState::Open };
    let found = of(&mut events, "told::fails");
    assert_eq!(found[0], Kind::Retried { attempt: 2, reason: RetryReason::Failure, delay });
    assert_eq!(found[1..], [open, Kind::FellBack { reason: FallbackReason::Failed }]);
    assert_eq!(fails().await, Ok(0));
    let found = of(&mut events, "told::fails");
    let [Kind::Refused(refused), Kind::FellBack { reason }] = &found[..] else { panic!("{found:?}") };
    assert!(matches!(refused, Rejected::CircuitOpen { .. }));
    assert_eq!(*reason, FallbackReason::Refused(refused.clone()));

    let (first, second) = tokio::join!(slow(), slow());
    assert!(first.is_ok() && second.is_err());
    let found = of(&mut events, "told::slow");
    assert!(matches!(&found[..], [Kind::Refused(Rejected::BulkheadFull { .. })]), "{found:?}");

    hedges().await.unwrap();
    assert_eq!(of(&mut events, "told::hedges"), [Kind::Hedged { execution: 2 }]);

    for _ in 0..2 {
        kept(7).await.unwrap();
    }
    let (miss, hit) = (Kind::Cache(CacheResult::Miss), Kind::Cache(CacheResult::Hit));
    assert_eq!(of(&mut events, "told::kept"), [miss, hit]);
    assert_eq!(events.lost(), 0);
}

#[rate_limited(1000/s, burst = 5)]
#[rate_limited(1000/s, burst = 3, key = key)]
#[rate_limited(1/h, burst = 1, per = attempt)]
async fn limited_thrice(key: u32) -> Result<u32, Rejected> {
    Ok(key)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_limit_as_settings_and_metrics_do() {
    let refused = |answer: Result<u32, Rejected>| match answer {
        Err(Rejected::RateLimited { limiter, limit, .. }) => (limiter, limit),
        other => panic!("{other:?}"),
    };
    let decided = |limiter: &str| {
        let series = "hardening_rate_limit_decisions_total{limiter=\"told::limited_thrice";
        metric(&format!("{series}{limiter}\",decision=\"refused\"}}"))
    };
    limited_thrice(1).await.unwrap();
    assert_eq!(refused(limited_thrice(1).await), ("told::limited_thrice.rate_limited_3", 1));
    limited_thrice(1).await.unwrap_err();
    assert_eq!(refused(limited_thrice(1).await), ("told::limited_thrice.rate_limited_2", 3));
    limited_thrice(2).await.unwrap_err();
    limited_thrice(3).await.unwrap_err();
    assert_eq!(refused(limited_thrice(4).await), ("told::limited_thrice", 5));
    assert_eq!(["", ".rate_limited_2", ".rate_limited_3"].map(decided), [1, 1, 4]);
}

#[retry(attempts = 2, backoff = 1ms, budget = none, idempotent)]
async fn outer_attempt() -> Result<u32, Rejected> {
    let _ = tokio::join!(hedged_inside(), plain_inside());
    see("after both");
    let _ = answered_inside().await;
    tokio::spawn(plain_inside()).await.unwrap()?;
    Err(Rejected::ShuttingDown)
}

#[hedged(after = 5ms, max = 2, budget = 100%, idempotent)]
async fn hedged_inside() -> Result<u32, Rejected> {
    let number = timed_inside().await?;
    sleep(Duration::from_millis(if number == 3 { 1 } else { 100 })).await;
    assert_eq!(context::attempt(), number);
    Ok(number)
}

#[timeout(1s)]
#[bulkhead(max = 50)]
async fn timed_inside() -> Result<u32, Rejected> {
    tokio::task::yield_now().await;
    see("timed");
    Ok(context::attempt())
}

async fn plain_inside() -> Result<u32, Rejected> {
    sleep(Duration::from_millis(2)).await;
    see("plain");
    Ok(0)
}

#[fallback({ see("fallback"); Ok(0) })]
#[retry(attempts = 2, backoff = 1ms, budget = none, idempotent)]
async fn answered_inside() -> Result<u32, Rejected> {
    Err(Rejected::ShuttingDown)
}

#[cached(ttl = 1s, jitter = 1%, key = k, stale_while_revalidate = 1m)]
async fn load_in_attempt(k: u32) -> Result<u32, Rejected> {
    sleep(Duration::from_millis(50)).await;
    let _ = k;
    Ok(context::attempt())
}

#[retry(attempts = 3, backoff = 1ms, budget = none, idempotent)]
async fn loads_in_its_third(k: u32) -> Result<u32, Rejected> {
    if context::attempt() < 3 { Err(Rejected::ShuttingDown) } else { load_in_attempt(k).await }
}

/// Executions side by side, a fallback, a spawned task and loads inside attempts.
#[tokio::test(start_paused = true)]
async fn numbers_are_those_of_the_nearest_attempt_around_the_code() {
    let _ = outer_attempt().await;
    assert_eq!(seen("after both"), [1, 2]);
    assert_eq!(seen("timed"), [1, 2, 3, 1, 2], "the budget pays for three extra executions");
    assert_eq!(seen("plain"), [1, 1, 2, 1], "beside the executions, and in a task");
    assert_eq!(seen("fallback"), [1, 2], "of the attempt around the call");

    assert_eq!(loads_in_its_third(1).await, Ok(3));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(loads_in_its_third(1).await, Ok(3), "stale");
    sleep(Duration::from_millis(100)).await;
    assert_eq!(load_in_attempt(1).await, Ok(1), "a refresh is nobody's attempt");
    let leader = tokio::spawn(tokio::time::timeout(Duration::from_millis(20), loads_in_its_third(2)));
    sleep(Duration::from_millis(10)).await;
    let follower = tokio::spawn(load_in_attempt(2));
    assert!(leader.await.unwrap().is_err());
    assert_eq!(follower.await.unwrap(), Ok(1), "it leads now, and repeats nothing");
}

#[rate_limited(1/h, burst = 1)]
async fn floods() -> Result<u32, Rejected> {
    Ok(1)
}

/// A reader with room for one, readers that come and go on another thread, and one whose `next` is dropped again and again.
#[tokio::test(start_paused = true)]
async fn a_reader_that_loses_events_counts_them_and_harms_no_other() {
    let (mut tiny, mut whole) =
        (events::subscribe_with_capacity(0), events::subscribe_with_capacity(1 << 20));
    let done = std::sync::atomic::AtomicBool::new(false);
    let ours = |event: &events::Event| event.call == "told::floods";
    floods().await.unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                drop(events::subscribe_with_capacity(3));
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let flood = async {
            for _ in 0..1000 {
                floods().await.unwrap_err();
            }
        };
        scope.spawn(move || runtime.block_on(flood)).join().unwrap();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(tiny.lost() >= 999 && tiny.try_next().is_some() && tiny.try_next().is_none());
    let mut found = 0;
    while let Some(event) = whole.try_next() {
        found += u32::from(ours(&event));
    }
    assert_eq!((found, whole.lost()), (1000, 0));

    let flood = tokio::spawn(async {
        for _ in 0..50 {
            let _ = floods().await;
            sleep(Duration::from_millis(3)).await;
        }
    });
    let until = tokio::time::Instant::now() + Duration::from_millis(400);
    let mut found = 0;
    while tokio::time::Instant::now() < until {
        tokio::select! {
            Some(event) = whole.next() => found += u32::from(ours(&event)),
            () = sleep(Duration::from_millis(2)) => {}
        }
    }
    flood.await.unwrap();
    assert_eq!(found, 50);
}

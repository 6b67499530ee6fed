//! A load whose body gives up a wait of its own for want of its caller's time: in a queue, for a limit, for a retry, for another load.

use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{bulkhead, cached, deadline, policy, rate_limited, retry, timeout};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::handover::{Error, joined, twenty};
use super::support::ms;

policy! {
    static PLACES: Bulkhead = { max = 1, queue = 10 };
}

#[bulkhead(PLACES)]
async fn occupied(millis: u64) -> Result<u32, Error> {
    sleep(ms(millis)).await;
    Ok(0)
}

#[bulkhead(PLACES)]
async fn placed(k: u32) -> Result<u32, Error> {
    sleep(ms(10)).await;
    Ok(k)
}

#[cached(ttl = 10s, key = k)]
async fn queued(k: u32) -> Result<u32, Error> {
    placed(k).await
}

#[rate_limited(1/s, burst = 1, wait = 5s)]
async fn limited(k: u32) -> Result<u32, Error> {
    Ok(k)
}

#[cached(ttl = 10s, key = k)]
async fn in_turn(k: u32) -> Result<u32, Error> {
    limited(k).await
}

static FAILURES: AtomicU32 = AtomicU32::new(0);

#[retry(attempts = 5, backoff = 100ms, jitter = none, idempotent, budget = none)]
async fn repeated(k: u32) -> Result<u32, Error> {
    if FAILURES.fetch_add(1, Ordering::SeqCst) < 4 { Err(Error::Down) } else { Ok(k) }
}

#[cached(ttl = 10s, key = k)]
async fn mended(k: u32) -> Result<u32, Error> {
    repeated(k).await
}

/// The time of the load itself, which no other leader has more of.
#[cached(ttl = 10s, key = k)]
#[timeout(1s)]
async fn short(k: u32) -> Result<u32, Error> {
    placed(k).await
}

#[deadline(1s)]
async fn hurried<F: Future<Output = Result<u32, Error>>>(load: F) -> Result<u32, Error> {
    load.await
}

/// The leader fails for want of its caller's time, and twenty callers that waited for its load get the value.
async fn hands_over<F>(leader: impl Future<Output = F::Output> + Send + 'static, follow: impl Fn() -> F)
where
    F: Future<Output = Result<u32, Error>> + Send + 'static,
{
    let leader = tokio::spawn(leader);
    yield_now().await;
    let followers = twenty(follow);
    assert!(leader.await.unwrap().is_err());
    assert_eq!(joined(followers).await, vec![Ok(1); 20]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_inside_a_load_hands_it_over() {
    let occupant = tokio::spawn(occupied(600));
    yield_now().await;
    // Half of its second is over before there is a place.
    hands_over(hurried(queued(1)), || queued(1)).await;
    occupant.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_load_inside_a_load_hands_both_over() {
    #[cached(ttl = 10s, key = k)]
    async fn outer(k: u32) -> Result<u32, Error> {
        inner(k).await
    }
    #[cached(ttl = 10s, key = k)]
    async fn inner(k: u32) -> Result<u32, Error> {
        turn(k).await
    }
    #[rate_limited(1/s, burst = 1, wait = 5s)]
    async fn turn(k: u32) -> Result<u32, Error> {
        Ok(k)
    }
    turn(0).await.unwrap();
    let leader = tokio::spawn(hurried(outer(1)));
    yield_now().await;
    let followers = twenty(|| outer(1));
    let inside = twenty(|| inner(1));
    assert!(leader.await.unwrap().is_err());
    assert_eq!(joined(followers).await, vec![Ok(1); 20]);
    assert_eq!(joined(inside).await, vec![Ok(1); 20]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_inside_a_load_hands_it_over() {
    limited(0).await.unwrap();
    hands_over(hurried(in_turn(1)), || in_turn(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_inside_a_load_hands_it_over() {
    #[deadline(150ms)]
    async fn hurried(k: u32) -> Result<u32, Error> {
        mended(k).await
    }
    hands_over(hurried(1), || mended(1)).await;
}

/// A function's own time is the same for whoever leads: its end is that of all.
#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_by_the_loads_own_time_fails_the_load() {
    #[deadline(60s)]
    async fn patient(k: u32) -> Result<u32, Error> {
        short(k).await
    }
    let occupant = tokio::spawn(occupied(10_000));
    yield_now().await;
    let began = Instant::now();
    let asked = twenty(|| patient(1));
    assert!(joined(asked).await.iter().all(Result::is_err));
    assert!(began.elapsed() <= ms(1100), "{:?}: one after the other", began.elapsed());
    occupant.abort();
}

policy! {
    static BOTH: Bulkhead = { max = 1, queue = 10 };
}

#[bulkhead(BOTH)]
async fn holder(k: u32) -> Result<u32, Error> {
    sleep(ms(10)).await;
    load(k).await
}

#[cached(ttl = 10s, key = k)]
async fn load(k: u32) -> Result<u32, Error> {
    within(k).await
}

#[bulkhead(BOTH)]
async fn within(k: u32) -> Result<u32, Error> {
    sleep(ms(10)).await;
    Ok(k)
}

/// The load waits for a place, and the call in that place for the load.
#[tokio::test(start_paused = true)]
async fn a_load_and_a_place_that_are_taken_in_opposite_orders_are_no_dead_lock() {
    let began = Instant::now();
    let holder = tokio::spawn(holder(1));
    yield_now().await;
    let leader = tokio::spawn(load(1));
    let followers = twenty(|| load(1));
    let ended = tokio::time::timeout(ms(60_000), async {
        assert_eq!(holder.await.unwrap(), Ok(1));
        assert_eq!(leader.await.unwrap(), Ok(1));
        assert_eq!(joined(followers).await, vec![Ok(1); 20]);
    });
    ended.await.expect("they wait for each other");
    assert!(began.elapsed() <= ms(50), "{:?}", began.elapsed());
}

/// What an inner call gave up is forgotten once the body goes on: what it ends with then is its own.
#[tokio::test(start_paused = true)]
async fn an_optional_call_that_gave_up_does_not_hand_the_load_over() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    #[rate_limited(1/s, burst = 1, wait = 5s)]
    async fn hint() -> Result<u32, Error> {
        Ok(0)
    }
    #[cached(ttl = 10s, key = k)]
    async fn fails(k: u32) -> Result<u32, Error> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        let _ = hint().await;
        sleep(ms(20)).await;
        let _ = k;
        Err(Error::Down)
    }
    hint().await.unwrap();
    let asked = twenty(|| hurried(fails(1)));
    assert_eq!(joined(asked).await, vec![Err(Error::Down); 20]);
    assert_eq!(BODIES.load(Ordering::SeqCst), 1);
}

policy! {
    static OWN: Bulkhead = { max = 1, queue = 10 };
}

#[bulkhead(OWN)]
async fn holds(k: u32) -> Result<u32, Error> {
    sleep(ms(10)).await;
    own(k).await
}

/// The load waits for a place before its body begins.
#[cached(ttl = 10s, key = k)]
#[bulkhead(OWN)]
async fn own(k: u32) -> Result<u32, Error> {
    sleep(ms(10)).await;
    Ok(k)
}

/// Asks for the next one, and so on, through the places of its own.
#[cached(ttl = 10s, key = k)]
#[bulkhead(max = 1, queue = 10)]
async fn one_of_many(k: u32, left: u32) -> Result<u32, Error> {
    sleep(ms(1)).await;
    if left == 0 { Ok(k) } else { Box::pin(one_of_many(k + 1, left - 1)).await }
}

/// A function with both: its load waits for the place in which the call runs that waits for the load.
#[tokio::test(start_paused = true)]
async fn a_load_that_waits_for_a_place_of_its_own_function_is_no_dead_lock() {
    let holder = tokio::spawn(holds(1));
    yield_now().await;
    let leader = tokio::spawn(own(1));
    let followers = twenty(|| own(1));
    let ended = tokio::time::timeout(ms(60_000), async {
        assert_eq!(holder.await.unwrap(), Ok(1));
        assert_eq!(leader.await.unwrap(), Ok(1));
        assert_eq!(joined(followers).await, vec![Ok(1); 20]);
    });
    ended.await.expect("they wait for each other");
    assert_eq!(one_of_many(100, 1).await, Ok(101));
    let both = async { tokio::join!(one_of_many(1, 3), one_of_many(2, 3), one_of_many(3, 1)) };
    let ended = tokio::time::timeout(ms(60_000), both).await.expect("they wait for each other");
    assert_eq!(ended, (Ok(4), Ok(4), Ok(4)));
}

policy! {
    static CIRCLE: Bulkhead = { max = 1, queue = 10 };
}

#[bulkhead(CIRCLE)]
async fn waits_for_the_second() -> Result<u32, Error> {
    sleep(ms(20)).await;
    second().await
}

#[cached(ttl = 10s, key = ())]
async fn second() -> Result<u32, Error> {
    first().await
}

#[cached(ttl = 10s, key = ())]
#[bulkhead(CIRCLE)]
async fn first() -> Result<u32, Error> {
    sleep(ms(10)).await;
    Ok(1)
}

#[cached(ttl = 10s, key = k)]
#[bulkhead(max = 1, queue = 10, key = k % 2)]
async fn in_places_of_keys(k: u32, left: u32) -> Result<u32, Error> {
    sleep(ms(1)).await;
    if left == 0 { Ok(k) } else { Box::pin(in_places_of_keys(k + 2, left - 1)).await }
}

#[cached(ttl = 10s, key = k)]
#[bulkhead(adaptive, initial = 1, max = 1, queue = 10)]
async fn in_learnt_places(k: u32, left: u32) -> Result<u32, Error> {
    sleep(ms(1)).await;
    if left == 0 { Ok(k) } else { Box::pin(in_learnt_places(k + 2, left - 1)).await }
}

/// The call in the place waits for one load, that for another, and that for the place; or each of several does so.
#[tokio::test(start_paused = true)]
async fn longer_circles_of_loads_and_places_are_no_dead_lock() {
    let holder = tokio::spawn(waits_for_the_second());
    yield_now().await;
    let inner = tokio::spawn(first());
    yield_now().await;
    let calls = vec![holder, inner, tokio::spawn(second())];
    let ends = tokio::time::timeout(ms(60_000), joined(calls)).await.expect("they wait for each other");
    assert_eq!(ends, vec![Ok(1); 3]);
    macro_rules! ends {
        ($call:ident) => {
            let calls = [(1, 3), (3, 2), (5, 1), (2, 2)].map(|(k, left)| tokio::spawn($call(k, left)));
            let ended = tokio::time::timeout(ms(60_000), joined(calls.into())).await;
            assert_eq!(ended.expect(stringify!($call)), [Ok(7), Ok(7), Ok(7), Ok(6)]);
        };
    }
    ends!(in_places_of_keys);
    ends!(in_learnt_places);
}

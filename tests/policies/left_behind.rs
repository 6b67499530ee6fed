//! Attempts that leave calls of their own bulkhead behind, which later attempts go on with.

use std::cell::{Cell, RefCell};
use std::pin::Pin;

use hardening::{Rejected, bulkhead, policy, retry};
use tokio::time::{Instant, sleep, timeout};

use super::support::ms;

policy! {
    static LEFT_ONE: Bulkhead = { max = 1, queue = 5 };
    static LEFT_DEEP: Bulkhead = { max = 1, queue = 5 };
}

type Boxed = Pin<Box<dyn Future<Output = Result<(), Rejected>>>>;

thread_local! {
    static SLOT: RefCell<Option<Boxed>> = const { RefCell::new(None) };
    static INSIDE: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

async fn work() -> Result<(), Rejected> {
    let (now, most) = INSIDE.get();
    INSIDE.set((now + 1, most.max(now + 1)));
    sleep(ms(50)).await;
    let (now, most) = INSIDE.get();
    INSIDE.set((now - 1, most));
    Ok(())
}

/// The first attempt begins a call and leaves it in the slot, unless that goes on elsewhere; the next one ends it.
async fn in_two_attempts(inner: impl FnOnce() -> Boxed, elsewhere: bool) -> Result<(), Rejected> {
    let left = SLOT.with_borrow_mut(Option::take);
    if let Some(left) = left {
        return left.await;
    }
    if hardening::context::attempt() > 1 {
        return inner().await;
    }
    let mut inner = inner();
    let _ = timeout(ms(1), &mut inner).await;
    if elsewhere {
        tokio::task::spawn_local(inner);
    } else {
        SLOT.set(Some(inner));
    }
    Err(Rejected::ShuttingDown)
}

#[bulkhead(LEFT_ONE)]
async fn one() -> Result<(), Rejected> {
    work().await
}

#[bulkhead(LEFT_ONE)]
#[retry(attempts = 3, backoff = 5ms, jitter = none, idempotent)]
async fn twice(elsewhere: bool) -> Result<(), Rejected> {
    in_two_attempts(|| Box::pin(one()), elsewhere).await
}

#[bulkhead(LEFT_DEEP)]
async fn deep() -> Result<(), Rejected> {
    work().await
}

#[bulkhead(LEFT_DEEP)]
#[retry(attempts = 3, backoff = 5ms, jitter = none, idempotent)]
async fn middle(elsewhere: bool) -> Result<(), Rejected> {
    in_two_attempts(|| Box::pin(deep()), elsewhere).await
}

#[bulkhead(LEFT_DEEP)]
async fn outer(elsewhere: bool) -> Result<(), Rejected> {
    middle(elsewhere).await
}

#[bulkhead(max = 1, queue = 5, key = key)]
#[retry(attempts = 3, backoff = 5ms, jitter = none, idempotent)]
async fn keyed(key: u32, ends: bool, elsewhere: bool) -> Result<(), Rejected> {
    if ends {
        work().await
    } else {
        in_two_attempts(|| Box::pin(keyed(key, true, elsewhere)), elsewhere).await
    }
}

async fn run(call: impl AsyncFn(bool) -> Result<(), Rejected>) {
    let running = async {
        for elsewhere in [false, true, false] {
            INSIDE.set((0, 0));
            let began = Instant::now();
            assert_eq!(timeout(ms(1000), call(elsewhere)).await, Ok(Ok(())), "elsewhere: {elsewhere}");
            // One that goes on elsewhere is still in the place when the next attempt begins another.
            let bodies = if elsewhere { 2 } else { 1 };
            assert!(began.elapsed() < ms(50 * bodies + 20), "{:?}", began.elapsed());
            assert_eq!(INSIDE.get(), (0, 1), "one place, one at a time");
        }
        sleep(ms(200)).await;
    };
    tokio::task::LocalSet::new().run_until(running).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_runs_in_the_place_that_a_call_of_the_one_before_keeps() {
    run(twice).await;
    assert_eq!(timeout(ms(60), one()).await, Ok(Ok(())), "the place is free");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_inside_another_call_runs_in_its_place_again() {
    run(outer).await;
    assert_eq!(timeout(ms(60), deep()).await, Ok(Ok(())), "the place is free");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_takes_back_the_place_of_its_key() {
    run(async |elsewhere| keyed(7, false, elsewhere).await).await;
    assert_eq!(timeout(ms(60), keyed(7, true, false)).await, Ok(Ok(())), "the place is free");
}

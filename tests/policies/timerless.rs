//! Where tokio has no timer: what needs none works, and what does says what is missing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use hardening::{Rejected, circuit_breaker, deadline, fallback, hedged, rate_limited, retry, timeout};

#[retry(attempts = 2, idempotent)]
async fn repeated() -> Result<(), Rejected> {
    Err(Rejected::ShuttingDown)
}

#[timeout(1s)]
async fn cut() -> Result<(), Rejected> {
    std::future::pending().await
}

#[rate_limited(1/h, burst = 1, wait = 2h)]
async fn limited() -> Result<(), Rejected> {
    Ok(())
}

#[hedged(after = 100ms, idempotent)]
async fn beside() -> Result<(), Rejected> {
    std::future::pending().await
}

#[fallback(std::future::pending().await)]
#[timeout(1s)]
async fn answered() -> Result<(), Rejected> {
    Err(Rejected::ShuttingDown)
}

#[deadline(10s)]
#[retry(attempts = 3, backoff = 0ms, idempotent)]
#[circuit_breaker]
#[timeout(1s)]
async fn at_once(good: bool) -> Result<(), Rejected> {
    if good { Ok(()) } else { Err(Rejected::ShuttingDown) }
}

fn message(ran: impl FnOnce()) -> String {
    let error = catch_unwind(AssertUnwindSafe(ran)).expect_err("there is no timer");
    *error.downcast::<String>().expect("our own message, with a name in it")
}

fn check(name: &str, call: impl Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<(), Rejected>>>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inside = message(|| drop(runtime.block_on(call())));
    assert!(inside.contains(&format!("timerless::{name} has to wait")), "{inside}");
    assert!(inside.contains("enable_time"), "{inside}");
    let outside = message(|| {
        let mut call = pin!(call());
        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    assert!(outside.contains(&format!("timerless::{name} has to wait")), "{outside}");
    assert!(outside.contains("outside a tokio runtime"), "{outside}");
}

#[test]
fn a_wait_without_a_timer_says_who_waits_and_what_is_missing() {
    check("repeated", || Box::pin(repeated()));
    check("cut", || Box::pin(cut()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(limited()).unwrap();
    check("limited", || Box::pin(limited()));
    check("beside", || Box::pin(beside()));
    check("answered", || Box::pin(answered()));
}

#[test]
fn what_never_waits_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(at_once(true)), Ok(()));
    assert_eq!(runtime.block_on(at_once(false)), Err(Rejected::ShuttingDown));
    assert_eq!(hardening::circuit("timerless::at_once").unwrap().window(), (4, 3, 0));
}

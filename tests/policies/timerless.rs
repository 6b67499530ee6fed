//! Runtimes without a timer.

use std::time::Duration;

use hardening::{Rejected, bulkhead, deadline, fallback, hedged, rate_limited, retry, timeout};

#[retry(attempts = 2, idempotent)]
async fn repeated() -> Result<(), Rejected> {
    Err(Rejected::ShuttingDown)
}

fn message(error: Box<dyn std::any::Any + Send>) -> String {
    match error.downcast::<String>() {
        Ok(text) => *text,
        Err(error) => (*error.downcast::<&str>().unwrap()).to_owned(),
    }
}

fn on(runtime: &tokio::runtime::Runtime, call: impl Future) -> String {
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(runtime.block_on(call))));
    message(ran.expect_err("there is no timer"))
}

#[test]
fn try_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!("{}", on(&runtime, repeated()));
    let mut call = std::pin::pin!(repeated());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.as_mut().poll(&mut cx).is_ready()));
    println!("{}", message(polled.unwrap_err()));
}

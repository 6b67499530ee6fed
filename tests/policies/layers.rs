//! Policies around a tower service.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hardening::layer::{BoxError, rejected};
use hardening::{CircuitState, Rejected, circuit, policies};
use tokio::time::{Instant, advance, sleep};
use tower_layer::Layer as _;
use tower_service::Service;

policies! {
    static REPEATED = {
        timeout = 100ms,
        deadline = 2s,
        retry(attempts = 3, backoff = 10ms, jitter = none, idempotent),
        circuit_breaker(consecutive = 6, open_for = 5s, probes = 1),
    };
    static ONCE = { name = "inventory", bulkhead(max = 1), rate_limited(100/s, burst = 2) };
}

/// Answers what the request says: so many failures, then a success, each after so many milliseconds.
#[derive(Clone, Debug, Default)]
struct Scripted {
    calls: Arc<AtomicU32>,
    ready: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    failures: u32,
    takes: u64,
}

impl Service<Ask> for Scripted {
    type Response = u32;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<u32, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        let calls = Arc::clone(&self.calls);
        Box::pin(async move {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(ask.takes)).await;
            if call < ask.failures { Err(std::io::Error::other("down")) } else { Ok(call) }
        })
    }
}

async fn call<S: Service<Ask, Response = u32, Error = BoxError>>(
    service: &mut S,
    ask: Ask,
) -> Result<u32, BoxError> {
    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(ask).await
}

#[tokio::test(start_paused = true)]
async fn a_service_is_retried_cut_and_opened_as_a_function_is() {
    let inner = Scripted::default();
    let mut service = REPEATED.repeating_layer().layer(inner.clone());
    let began = Instant::now();
    assert_eq!(call(&mut service, Ask { failures: 2, takes: 0 }).await.unwrap(), 2);
    assert_eq!(began.elapsed(), Duration::from_millis(20), "two backoffs");
    let error = call(&mut service, Ask { failures: 0, takes: 900 }).await.unwrap_err();
    assert!(matches!(rejected(&error), Some(Rejected::Timeout { .. })), "{error}");
    let error = call(&mut service, Ask { failures: 99, takes: 0 }).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
    let circuit = circuit("layers::REPEATED").unwrap();
    assert_eq!(circuit.state(), CircuitState::Open);
    let before = inner.calls.load(Ordering::SeqCst);
    let error = call(&mut service, Ask { failures: 0, takes: 0 }).await.unwrap_err();
    assert!(matches!(rejected(&error), Some(Rejected::CircuitOpen { .. })), "{error}");
    assert_eq!(inner.calls.load(Ordering::SeqCst), before);
    advance(Duration::from_secs(5)).await;
    assert!(call(&mut service, Ask { failures: 0, takes: 0 }).await.is_ok());
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_bound_is_kept_and_what_failed_may_be_said() {
    let service = ONCE.layer().layer(Scripted::default());
    let ask = |takes| {
        let mut service = service.clone();
        async move { call(&mut service, Ask { failures: 0, takes }).await }
    };
    let (one, two) = tokio::join!(ask(50), ask(50));
    assert!(one.is_ok());
    let error = two.unwrap_err();
    assert!(
        matches!(rejected(&error), Some(Rejected::BulkheadFull { call: "inventory", limit: 1 })),
        "{error}"
    );
    let mut judged = ONCE.layer().failure_if(|answer| !matches!(answer, Ok(0))).layer(Scripted::default());
    sleep(Duration::from_secs(1)).await;
    assert!(call(&mut judged, Ask { failures: 0, takes: 0 }).await.is_ok());
    let mut metrics = String::new();
    hardening::telemetry::calls::render(&mut metrics);
    assert!(
        metrics.contains("hardening_calls_total{call=\"inventory\",outcome=\"bulkhead_full\"} 1"),
        "{metrics}"
    );
}

#[test]
#[should_panic(expected = "write `repeating_layer`")]
fn a_retry_needs_the_layer_that_repeats() {
    let _ = REPEATED.layer::<u32>();
}

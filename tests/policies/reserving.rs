//! Policies around a service that reserves its place when it becomes ready, as `ConcurrencyLimit` and `Buffer` do.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hardening::layer::{BoxError, rejected};
use hardening::{Rejected, policies};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_layer::Layer as _;
use tower_service::Service;

policies! {
    static REPEATING = { retry(attempts = 3, backoff = 50ms..60ms, idempotent), bulkhead(max = 1, queue = 100) };
    static REPEATING_WITHIN = { retry(attempts = 3, backoff = 50ms..60ms, idempotent) };
    static IN_LINE = { bulkhead(max = 1, queue = 100) };
    static WAITING = { bulkhead(max = 1, queue = 100) };
    static IMPATIENT = { timeout = 100ms };
    static IMPATIENT_REPEATING = { timeout = 100ms, retry(attempts = 2, backoff = 50ms..60ms, idempotent) };
}

type Acquiring = Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>;

/// Who is ready holds a permit until the call is over; the first call fails.
struct Reserving {
    permits: Arc<Semaphore>,
    calls: Arc<AtomicU32>,
    acquiring: Option<Acquiring>,
    held: Option<OwnedSemaphorePermit>,
}

impl Reserving {
    fn new(permits: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            calls: Arc::default(),
            acquiring: None,
            held: None,
        }
    }
}

impl Clone for Reserving {
    fn clone(&self) -> Self {
        let (permits, calls) = (Arc::clone(&self.permits), Arc::clone(&self.calls));
        Self { permits, calls, acquiring: None, held: None }
    }
}

impl Service<()> for Reserving {
    type Response = ();
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_none() {
            let permits = &self.permits;
            let acquiring = self.acquiring.get_or_insert_with(|| {
                let permits = Arc::clone(permits);
                Box::pin(async move { permits.acquire_owned().await.expect("nobody closes it") })
            });
            let permit = ready!(acquiring.as_mut().poll(cx));
            (self.held, self.acquiring) = (Some(permit), None);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let permit = self.held.take().expect("called without being ready");
        let first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
        Box::pin(async move {
            let _permit = permit;
            sleep(Duration::from_millis(20)).await;
            if first { Err(io::Error::other("down")) } else { Ok(()) }
        })
    }
}

async fn call<S: Service<(), Error = BoxError>>(mut service: S) -> Result<S::Response, BoxError> {
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(()).await
}

/// How many of twenty callers at once are answered.
async fn answered<S>(service: S) -> usize
where
    S: Service<(), Error = BoxError> + Clone + Send + 'static,
    S::Response: Send,
    S::Future: Send,
{
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let service = service.clone();
        callers.spawn(async move { call(service).await.is_ok() });
    }
    let mut answered = 0;
    while let Ok(Some(answer)) = timeout(Duration::from_mins(1), callers.join_next()).await {
        answered += usize::from(answer.unwrap());
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn a_repetition_and_those_who_wait_for_a_place_do_not_wait_for_each_other() {
    assert_eq!(answered(REPEATING.repeating_layer().layer(Reserving::new(2))).await, 20);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_and_those_who_wait_in_an_outer_layer_do_not_wait_for_each_other() {
    let repeating = REPEATING_WITHIN.repeating_layer().layer(Reserving::new(2));
    assert_eq!(answered(IN_LINE.layer().layer(repeating)).await, 20);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_has_reserved_nothing() {
    let inner = Reserving::new(3);
    let service = WAITING.layer().layer(inner.clone());
    let mut callers = JoinSet::new();
    for _ in 0..3 {
        callers.spawn(call(service.clone()));
    }
    sleep(Duration::from_millis(10)).await;
    assert_eq!(inner.permits.available_permits(), 2, "one runs, two wait");
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "the first call fails");
    assert_eq!(inner.permits.available_permits(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_become_ready_is_cut_as_one_that_does_not_answer() {
    let stuck = Reserving::new(0);
    let once = call(IMPATIENT.layer().layer(stuck.clone()));
    let repeated = call(IMPATIENT_REPEATING.repeating_layer().layer(stuck));
    let answers = timeout(Duration::from_mins(1), async { tokio::join!(once, repeated) }).await;
    let (once, repeated) = answers.expect("both end");
    for answer in [once, repeated] {
        let error = answer.unwrap_err();
        assert!(matches!(rejected(&error), Some(Rejected::Timeout { .. })), "{error}");
    }
}

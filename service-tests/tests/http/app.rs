//! The service under test: routes that do what tests need, and checks that tests steer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use hardening::{BoxError, Json, Rejected, Setup, context};
use hardening::{
    bulkhead, circuit_breaker, deadline, hardened_service, health_check, rate_limited, retry, timeout,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::sleep;

tokio::task_local! {
    /// What the service that is being started depends on.
    pub(crate) static DEPENDENCIES: Dependencies;
}

/// More bytes than any buffer on the way takes.
pub(crate) const LARGE: usize = 64 << 20;
/// What the system's send buffer of a loopback connection holds, and a small receive buffer does not.
pub(crate) const MEDIUM: usize = 600_000;

/// More than the buffers of one socket take, in memory once for all.
static LONG: &[u8] = &[b'x'; 16 << 20];

/// What the routes must never tell.
pub(crate) const SECRET: &str = "hunter2";

#[hardened_service(name = "shop")]
pub(crate) async fn shop(setup: &mut Setup) -> Router {
    setup.provide(DEPENDENCIES.try_with(Clone::clone).unwrap_or_default());
    routes()
}

/// Provides nothing that its checks ask for.
#[hardened_service(name = "bare")]
pub(crate) async fn bare() -> Router {
    routes()
}

fn routes() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/about", get(about))
        .route("/whoami", get(async || hardening::context::principal()))
        .route(
            "/dressed",
            get(|| async {
                [("server", "secret/1"), ("x-request-id", "mine"), ("x-frame-options", "SAMEORIGIN")]
            }),
        )
        .route(
            "/busy",
            get(|| async { (StatusCode::TOO_MANY_REQUESTS, [("ratelimit", "\"mine\";r=0;t=7")], "busy") }),
        )
        .route("/exposes", get(|| async { [("access-control-expose-headers", "x-mine"), ("x-mine", "1")] }))
        .route("/items/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }).delete(|| async {}))
        .route("/echo", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/ignores", post(|| async { "ignored" }))
        .route("/orders", post(order))
        .route("/payments", post(super::payments::pay))
        .route("/sessions", post(super::idempotency::sign_in))
        .route("/reserved", post(super::idempotency::reserve))
        .route("/orders-of", post(super::idempotency::order))
        .route("/shapes", post(super::shapes::shape))
        .route("/slow", get(slow))
        .route("/long", get(|| async { LONG }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/medium", get(|| async { vec![b'x'; MEDIUM] }))
        .route("/drips", get(|| async { Body::new(Drips { left: 5, pause: None }) }))
        .route("/panic", get(panics))
        .route("/panic/late", get(|| async { Body::new(PanicsLate(false)) }))
        .route("/fails/{status}", get(fails))
        .route("/fails/long", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, SECRET.repeat(1000)) }))
        .route("/refused/{kind}", get(refused))
        .route("/timeout", get(patient))
        .route("/deadline", get(hasty))
        .route("/inherited", get(inherits))
        .route("/breaker", get(broken))
        .route("/bulkhead", get(narrow))
        .route("/limited", get(limited))
        .route("/few", get(few))
        .route("/of-each", get(of_each))
        .route("/retried", get(|| async { retried().await.map(|()| "done") }))
}

async fn about(headers: HeaderMap) -> Json<Value> {
    let request = context::current().expect("a request");
    let left = context::remaining().map(|left| left.as_millis() as u64);
    Json(json!({
        "id": request.id,
        "client": request.client_ip.map(|ip| ip.to_string()),
        "route": request.route(),
        "idempotency_key": request.idempotency_key,
        "left_ms": left,
        "fields": headers.len(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Order {
    sku: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Line {
    quantity: u8,
}

async fn order(Json(order): Json<Order>) -> (StatusCode, Json<Value>) {
    (StatusCode::CREATED, Json(json!({ "lines": order.lines.len() })))
}

async fn panics() -> &'static str {
    panic!("{SECRET}")
}

async fn slow() -> &'static str {
    sleep(Duration::from_mins(1)).await;
    "late"
}

/// An error in the way of handlers that know nothing of problems.
async fn fails(Path(status): Path<u16>) -> impl IntoResponse {
    (StatusCode::from_u16(status).expect("a status"), format!("it was {SECRET}"))
}

async fn refused(Path(kind): Path<String>) -> Result<&'static str, Rejected> {
    let second = Duration::from_secs(1);
    Err(match kind.as_str() {
        "timeout" => Rejected::Timeout { call: SECRET, after: second },
        "deadline_exceeded" => Rejected::DeadlineExceeded { call: SECRET },
        "circuit_open" => Rejected::CircuitOpen { circuit: SECRET, retry_after: second.mul_f64(1.5) },
        "rate_limited" => {
            Rejected::RateLimited { limiter: SECRET, retry_after: second, limit: 5, remaining: 0 }
        }
        "bulkhead_full" => Rejected::BulkheadFull { call: SECRET, limit: 5 },
        "store_unavailable" => Rejected::StoreUnavailable { store: SECRET },
        "idempotency_conflict" => Rejected::IdempotencyConflict { retry_after: second * 7 },
        "idempotency_mismatch" => Rejected::IdempotencyMismatch,
        "idempotency_key_missing" => Rejected::IdempotencyKeyMissing,
        "load_failed" => Rejected::LoadFailed { call: SECRET, cause: Some(SECRET.into()) },
        "unauthenticated" => Rejected::Unauthenticated,
        "forbidden" => Rejected::Forbidden { scope: SECRET },
        _ => Rejected::ShuttingDown,
    })
}

#[timeout(50ms)]
async fn patient() -> Result<&'static str, Rejected> {
    Ok(slow().await)
}

#[deadline(50ms)]
async fn hasty() -> Result<&'static str, Rejected> {
    Ok(slow().await)
}

/// Its own timeout is far longer than what a client asks for.
#[timeout(50s)]
async fn inherits() -> Result<&'static str, Rejected> {
    Ok(slow().await)
}

#[circuit_breaker(failure_rate = 50%, window = 10, min_calls = 2, open_for = 30s)]
async fn broken() -> Result<&'static str, Rejected> {
    Err(Rejected::StoreUnavailable { store: SECRET })
}

#[bulkhead(max = 1, queue = 0)]
async fn narrow() -> Result<&'static str, Rejected> {
    Ok(slow().await)
}

#[rate_limited(2/min, burst = 2, key = client_ip)]
async fn limited() -> Result<&'static str, Rejected> {
    Ok("within")
}

#[rate_limited(2/h, burst = 2)]
async fn few() -> Result<&'static str, Rejected> {
    Ok("within")
}

#[rate_limited(5/min, burst = 5, key = client_ip)]
async fn of_each() -> Result<&'static str, Rejected> {
    Ok("within")
}

#[retry(attempts = 3, backoff = 1ms..2ms, idempotent)]
async fn retried() -> Result<(), Rejected> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    match RUNS.fetch_add(1, Ordering::Relaxed) % 3 {
        2 => Ok(()),
        _ => Err(Rejected::StoreUnavailable { store: SECRET }),
    }
}

/// A body that panics after its first chunk.
struct PanicsLate(bool);

impl hyper::body::Body for PanicsLate {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        assert!(!std::mem::replace(&mut self.0, true), "{SECRET}");
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(b"first")))))
    }
}

/// A body of five chunks with pauses between them.
struct Drips {
    left: u8,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl hyper::body::Body for Drips {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(150))));
        std::task::ready!(pause.as_mut().poll(cx));
        self.pause = None;
        self.left -= 1;
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(b"drip")))))
    }
}

/// What the checks look at, one for each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependencies {
    pub(crate) warm: Dependency,
    pub(crate) own: Dependency,
    pub(crate) shared: Dependency,
}

/// Something that works, or does as a test says.
#[derive(Clone, Debug, Default)]
pub(crate) enum Dependency {
    #[default]
    Works,
    Hangs,
    /// Fails with this.
    Fails(&'static str),
    Steered(Arc<Steered>),
}

/// Each run of the check waits for its result.
#[derive(Debug)]
pub(crate) struct Steered {
    began: Semaphore,
    send: mpsc::UnboundedSender<bool>,
    results: Mutex<mpsc::UnboundedReceiver<bool>>,
}

impl Steered {
    pub(crate) fn new() -> Arc<Self> {
        let (send, results) = mpsc::unbounded_channel();
        Arc::new(Self { began: Semaphore::new(0), send, results: Mutex::new(results) })
    }

    /// Gives the run that waits its result, and returns once the next one waits: the result has been recorded.
    pub(crate) async fn end_run(&self, works: bool) {
        self.end_last_run(works).await;
        self.run_began().await;
        self.began.add_permits(1);
    }

    /// Gives the run that waits its result; no other follows.
    pub(crate) async fn end_last_run(&self, works: bool) {
        self.run_began().await;
        self.send.send(works).expect("the check runs");
    }

    async fn run_began(&self) {
        self.began.acquire().await.expect("never closed").forget();
    }
}

impl Dependency {
    async fn ask(&self) -> Result<(), BoxError> {
        match self {
            Self::Works => Ok(()),
            Self::Hangs => std::future::pending().await,
            Self::Fails(why) => Err((*why).into()),
            Self::Steered(steered) => {
                steered.began.add_permits(1);
                let works = steered.results.lock().await.recv().await;
                if works == Some(true) { Ok(()) } else { Err(format!("refused by {SECRET}").into()) }
            }
        }
    }
}

#[health_check(every = 20ms, timeout = 20s, kind = startup)]
async fn warm(dependencies: &Dependencies) -> Result<(), BoxError> {
    dependencies.warm.ask().await
}

#[health_check(every = 20ms, timeout = 20s, down_after = 3, up_after = 2, kind = ready)]
async fn own(dependencies: &Dependencies) -> Result<(), BoxError> {
    dependencies.own.ask().await
}

#[health_check(every = 20ms, timeout = 20s, down_after = 1)]
async fn shared(dependencies: &Dependencies) -> Result<(), BoxError> {
    dependencies.shared.ask().await
}

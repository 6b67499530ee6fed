//! The service under test.
#![allow(
    clippy::unused_async,
    reason = "the attributes take asynchronous functions, and these have nothing to wait for"
)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use hardening::{Json, Problem, Rejected, Result, Service, Setup, context};
use hardening::{deadline, hardened_service, health_check, rate_limited, retry, timeout};
use serde::{Deserialize, Serialize};

/// A resource that tests can break.
#[derive(Clone)]
pub(crate) struct Resource(pub(crate) Arc<AtomicBool>);

/// A service whose set-up holds its thread and takes too long for anybody.
#[hardened_service(name = "slow")]
#[expect(clippy::disallowed_methods, reason = "it holds its thread on purpose")]
pub(crate) async fn slow() -> Router {
    std::thread::sleep(Duration::from_hours(1));
    Router::new()
}

/// The service with every route that a test needs.
#[hardened_service(name = "tested")]
pub(crate) async fn tested(setup: &mut Setup) -> Result<Router> {
    let resource = Resource(Arc::new(AtomicBool::new(true)));
    setup.provide(resource.clone());
    Ok(Router::new()
        .route("/", get(async || "hello"))
        .route("/whoami", get(async || context::client_ip()))
        .route("/around", get(around))
        .route("/items/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/search", get(async |Query(search): Query<Search>| search.q))
        .route("/orders", post(order))
        .route("/echo", post(async |body: Bytes| body))
        .route("/sleep/{ms}", get(sleep))
        .route(
            "/remaining",
            get(async || context::remaining().map_or_else(String::new, |left| left.as_millis().to_string())),
        )
        .route("/panic", get(panics))
        .route("/panic/late", get(async || Body::new(PanicsLate)))
        .route("/leak", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "password of 10.0.0.1 is hunter2")))
        .route("/large/{bytes}", get(async |Path(bytes): Path<usize>| vec![b'x'; bytes]))
        .route("/refused", get(limited))
        .route("/resource/{up}", post(set_resource))
        .route("/block/{ms}", get(block))
        .with_state(resource))
}

#[derive(Deserialize)]
struct Search {
    q: String,
}

#[derive(Deserialize)]
struct Order {
    sku: String,
    quantity: u32,
}

#[derive(Serialize)]
struct Placed {
    id: String,
}

async fn order(Json(order): Json<Order>) -> Result<(StatusCode, Json<Placed>), Problem> {
    if !(1..=100).contains(&order.quantity) {
        return Err(Problem::validation().field("quantity", "must lie between 1 and 100"));
    }
    Ok((StatusCode::CREATED, Json(Placed { id: order.sku })))
}

/// What a handler sees of its request.
async fn around() -> String {
    context::current().map_or_else(String::new, |request| {
        format!("{} {} {}", request.id, request.route().unwrap_or("-"), context::idempotency_key())
    })
}

async fn sleep(Path(ms): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slept"
}

/// Holds a thread of the runtime, as careless code does.
#[expect(clippy::disallowed_methods, reason = "it plays a handler that nothing can interrupt")]
async fn block(Path(ms): Path<u64>) -> &'static str {
    std::thread::sleep(Duration::from_millis(ms));
    "blocked"
}

async fn panics() -> &'static str {
    panic!("the secret of the panic")
}

/// A body that panics instead of its first byte.
struct PanicsLate;

impl hyper::body::Body for PanicsLate {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        panic!("the secret of the body")
    }
}

#[rate_limited(1/d, burst = 1)]
async fn limited() -> Result<&'static str, Rejected> {
    Ok("once a day")
}

async fn set_resource(State(resource): State<Resource>, Path(up): Path<bool>) -> StatusCode {
    resource.0.store(up, Ordering::SeqCst);
    StatusCode::NO_CONTENT
}

#[health_check(every = 50ms, timeout = 50ms, down_after = 1, up_after = 1, kind = ready)]
async fn resource(resource: &Resource) -> Result<(), String> {
    if resource.0.load(Ordering::SeqCst) { Ok(()) } else { Err("the disk at /srv/secret is full".to_owned()) }
}

/// A shared dependency that never answers.
#[health_check(every = 100ms, timeout = 10s, kind = degraded)]
async fn hanging() -> Result<(), String> {
    std::future::pending().await
}

/// A call for settings to change.
#[deadline(2s)]
#[retry(attempts = 3, idempotent)]
#[timeout(200ms)]
#[expect(dead_code, reason = "only its settings matter")]
pub(crate) async fn price() -> Result<u32, Rejected> {
    Ok(1)
}

/// A service whose set-up forgets what a check needs.
#[hardened_service(name = "forgetful")]
pub(crate) async fn forgetful() -> Router {
    Router::new()
}

/// A service whose set-up fails.
#[hardened_service(name = "failing")]
pub(crate) async fn failing() -> Result<Router> {
    Err("no database at 127.0.0.1:5432".into())
}

/// A service with hooks that end as their names say.
#[hardened_service(name = "hooked")]
pub(crate) async fn hooked(setup: &mut Setup) -> Router {
    setup.provide(Resource(Arc::new(AtomicBool::new(true))));
    setup.on_shutdown("first", async || println!("hook first"));
    setup.on_shutdown("failing", async || Err::<(), _>("cannot flush"));
    setup.on_shutdown("hanging", async || std::future::pending::<()>().await);
    setup.on_shutdown("last", async || println!("hook last"));
    Router::new()
}

/// Runs the service of this name as a process of its own does.
pub(crate) fn run(name: &str) -> ExitCode {
    let service: Service = match name {
        "tested" => tested(),
        "forgetful" => forgetful(),
        "failing" => failing(),
        "hooked" => hooked(),
        "slow" => slow(),
        other => panic!("no service `{other}`"),
    };
    service.run()
}

//! The deadline on its way to the next service, and work that outlives its caller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use hardening::layer::{Finish, Propagate};
use hardening::{BoxError, Setup, context, hardened_service, policies};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::sleep;
use tower_layer::Layer as _;
use tower_service::Service as _;

use hardening_service_tests::client::{Client, get_with, request};
use hardening_service_tests::service::until;

policies! {
    /// What every request to the next service goes through.
    static NEXT_ONCE = {
        timeout = 5s,
        circuit_breaker(failure_rate = 50%, window = 10s),
    };
}

static BEGUN: AtomicU32 = AtomicU32::new(0);
static FINISHED: AtomicU32 = AtomicU32::new(0);
static DROPPED: AtomicU32 = AtomicU32::new(0);

struct OnDrop;

impl Drop for OnDrop {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

async fn work(takes: Duration) -> &'static str {
    let guard = OnDrop;
    BEGUN.fetch_add(1, Ordering::SeqCst);
    sleep(takes).await;
    std::mem::forget(guard);
    FINISHED.fetch_add(1, Ordering::SeqCst);
    assert!(context::remaining().is_some(), "its deadline is there");
    "done"
}

/// A service that asks another one.
#[hardened_service(name = "front")]
async fn front(setup: &mut Setup) -> Router {
    setup.provide(crate::app::Dependencies::default());
    Router::new()
        .route("/through/{port}", get(through))
        .route("/work", post(|| work(Duration::from_mins(1))))
        .route("/finished", post(|| work(Duration::from_millis(300))).layer(Finish::on_disconnect()))
}

async fn through(Path(port): Path<u16>) -> Result<String, hardening::Problem> {
    asked(port)
        .await
        .map_err(|error| hardening::Problem::new(StatusCode::BAD_GATEWAY).detail(error.to_string()))
}

async fn asked(port: u16) -> Result<String, BoxError> {
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Body>();
    let mut client = NEXT_ONCE.layer().layer(Propagate::new().layer(client));
    let uri = format!("http://127.0.0.1:{port}/about");
    let request = axum::http::Request::get(uri).body(Body::empty())?;
    std::future::poll_fn(|cx| client.poll_ready(cx)).await?;
    let answer = client.call(request).await?;
    Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?)
}

#[tokio::test]
async fn what_is_left_of_the_deadline_and_the_id_go_on_to_the_next_service() {
    let back = crate::support::start("").await;
    let running = front().start().await.unwrap();
    let path = format!("/through/{}", back.addr.port());
    let fields = [("x-request-timeout-ms", "1200"), ("x-request-id", "one-and-the-same")];
    let reply = get_with(running.addr, &path, &fields).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen: Value = serde_json::from_str(&reply.body).unwrap();
    let left = seen["left_ms"].as_u64().unwrap();
    assert!((500..=1200).contains(&left), "{left}: the second service keeps the first one's deadline");
    assert_eq!(seen["id"], "one-and-the-same");
}

async fn leave(address: SocketAddr, path: &str) {
    let mut client = Client::connect(address).await;
    let before = BEGUN.load(Ordering::SeqCst);
    client.send(request("POST", path, &[], "")).await;
    until("it has begun", || async { BEGUN.load(Ordering::SeqCst) > before }).await;
    drop(client);
}

#[tokio::test]
async fn work_is_dropped_with_its_caller_unless_the_route_says_otherwise() {
    let running = Arc::new(front().start().await.unwrap());
    leave(running.addr, "/work").await;
    until("dropped", || async { DROPPED.load(Ordering::SeqCst) == 1 }).await;
    assert_eq!(FINISHED.load(Ordering::SeqCst), 0);
    leave(running.addr, "/finished").await;
    until("finished", || async { FINISHED.load(Ordering::SeqCst) == 1 }).await;
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
    // A shutdown waits for what goes on without its caller.
    leave(running.addr, "/finished").await;
    Arc::into_inner(running).unwrap().shutdown().await;
    assert_eq!(FINISHED.load(Ordering::SeqCst), 2);
}

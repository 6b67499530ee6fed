//! Layers and handlers that applications bring along: what they say stays, where what is said for them does not contradict it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::WebSocketUpgrade;
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::WebSocket;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hardening::{RouteLimits, Setup, hardened_service};
use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client::{self, Client, Reply, request};
use hardening_service_tests::service::{problem, scrape, value};
use http_body_util::BodyExt as _;
use tokio::time::sleep;
use tower_http::compression::CompressionLayer;

use super::support;

const ERROR: &str = "the table `orders` has no such row, nor had it ever one";

/// Says that it goes.
struct Goes;

impl Drop for Goes {
    fn drop(&mut self) {
        eprintln!("what handlers hold was dropped");
    }
}

#[hardened_service(name = "layered")]
async fn layered(setup: &mut Setup) -> Router {
    setup.route("/own", RouteLimits::new().body_limit(1000));
    setup.route("/plain", RouteLimits::new().body_limit(1000));
    setup.route("/rare", RouteLimits::new().rate_limit(1, Duration::from_mins(1)));
    let held = Arc::new(Goes);
    let basic = [(header::WWW_AUTHENTICATE, "Basic realm=\"papers\"")];
    let bearer = [(header::WWW_AUTHENTICATE, "Bearer")];
    Router::new()
        .route("/error", get(async || (StatusCode::INTERNAL_SERVER_ERROR, ERROR)))
        .route("/wrong", get(async || (StatusCode::BAD_REQUEST, ERROR)))
        .layer(CompressionLayer::new())
        .route("/chat", get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(chat)))
        .route("/lenient", post(async |body: Body| count(body).await))
        .route("/held", get(async move || drop(Arc::clone(&held))))
        .route("/rare", get(async || "rare"))
        .route("/basic", get(async move || (StatusCode::UNAUTHORIZED, basic)))
        .route("/bearer", get(async move || (StatusCode::UNAUTHORIZED, bearer, axum::Json("who?"))))
        .route("/own", post(own))
        .route("/plain", post(async |body: Bytes| body.len().to_string()))
        .layer(map_response(async |mut response: Response| {
            let any = HeaderValue::from_static("*");
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
            response
        }))
}

/// Has a form of its own for what it cannot read.
async fn own(body: Result<Bytes, BytesRejection>) -> Response {
    match body {
        Ok(body) => body.len().to_string().into_response(),
        Err(error) => (error.status(), axum::Json(error.body_text())).into_response(),
    }
}

/// Has something to do once its socket has closed.
async fn chat(mut socket: WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
    hardening::context::spawn(async {
        sleep(Duration::from_millis(1_500)).await;
        eprintln!("what the socket has spawned is done");
    });
}

/// Takes an error for the end of a body.
async fn count(body: Body) -> String {
    let (mut body, mut bytes) = (body, 0);
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.into_data().map_or(0, |data| data.len());
    }
    bytes.to_string()
}

async fn start() -> hardening::Running {
    layered().with_settings("[log]\naccess = false").start().await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_problem_in_place_of_a_compressed_error_is_not_compressed() {
    let running = start().await;
    let packed = [("accept-encoding", "gzip")];
    let reply = client::get_with(running.addr, "/error", &packed).await;
    assert_eq!(reply.header("content-encoding"), None);
    problem(&reply, 500);
    // What the client may read is passed on as it is.
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/wrong", &[packed[0], ("connection", "close")], "")).await;
    let reply = client.reply_to_head().await;
    assert_eq!((reply.status, reply.header("content-encoding")), (400, Some("gzip")));
}

#[tokio::test]
async fn a_challenge_of_the_program_s_own_stays() {
    let running = start().await;
    for (path, challenge) in [("/basic", "Basic realm=\"papers\""), ("/bearer", "Bearer")] {
        let reply = client::get(running.addr, path).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some(challenge)), "{path}");
    }
}

async fn chunked(running: &hardening::Running, path: &str) -> Reply {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    client::ask(running.addr, format!("{head}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000))).await
}

#[tokio::test]
async fn what_is_too_large_is_told_with_the_limit_of_its_route() {
    let running = start().await;
    let reply = chunked(&running, "/plain").await;
    assert_eq!(problem(&reply, 413)["detail"], "The body is larger than 1000 bytes.");
    // Pages of other origins may read it, as all that the layer lets them read.
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn what_a_route_s_own_limit_refuses_counts_under_it() {
    let running = start().await;
    for status in [200, 429, 429] {
        assert_eq!(client::get(running.addr, "/rare").await.status, status);
    }
    let counted = "http_requests_total{method=\"GET\",route=\"/rare\",status=\"429\"}";
    assert_eq!(value(&scrape(&running).await, counted), Some(2.0));
}

#[tokio::test]
async fn a_form_of_the_program_s_own_for_what_is_too_large_stays() {
    let running = start().await;
    let reply = chunked(&running, "/own").await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert_eq!(reply.body, "\"Failed to buffer the request body: length limit exceeded\"");
}

#[tokio::test]
async fn sockets_open_until_nothing_is_accepted() {
    let (running, _) = support::start("[shutdown]\npre_drain = '1s'").await;
    let address = running.addr;
    let stopped = tokio::spawn(running.shutdown());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut socket = support::open(address, "/quiet").await;
    assert_eq!(support::close_of(&mut socket).await, Some((1001, "the service stops".to_owned())));
    assert!(stopped.await.unwrap().is_clean());
}

#[hardened_service(name = "misspelt")]
async fn misspelt(setup: &mut Setup) -> Router {
    setup.route("/uplaod", RouteLimits::new().body_limit(1000));
    Router::new().route("/upload", post(async || ()))
}

#[tokio::test]
async fn limits_that_code_gives_to_no_route_stop_the_start() {
    let error = misspelt().with_settings("").start().await.unwrap_err().to_string();
    assert!(error.contains("`setup.route(\"/uplaod\", …)`") && error.contains("mean `/upload`?"), "{error}");
}

const CHILD: &str = "layers::what_handlers_hold_is_dropped_before_the_process_ends";

#[tokio::test(flavor = "multi_thread")]
async fn what_handlers_hold_is_dropped_before_the_process_ends() {
    tokio::task::block_in_place(|| main_of(CHILD, layered));
    let child = Child::start(CHILD, &[]).await;
    assert_eq!(client::get(child.addr, "/held").await.status, 200);
    // Handlers that swallow errors are told of.
    let head = "POST /lenient HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let reply =
        client::ask(child.addr, format!("{head}200001\r\n{}\r\n0\r\n\r\n", "x".repeat(2 << 20 | 1))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut socket = support::open(child.addr, "/chat").await;
    child.terminate().await;
    assert_eq!(support::close_of(&mut socket).await, Some((1001, "the service stops".to_owned())));
    let end = child.ended().await;
    assert_eq!(end.code, Some(0), "{end:?}");
    for said in ["what the socket has spawned is done", "what handlers hold was dropped"] {
        assert!(end.complained.contains(said), "{said}: {end:?}");
    }
    let warned = |line: &&serde_json::Value| line["why"] == "the body is larger than the limit";
    let line = end.log.iter().find(warned).unwrap_or_else(|| panic!("{end:?}"));
    assert_eq!((&line["level"], &line["route"]), (&"WARN".into(), &"/lenient".into()));
}

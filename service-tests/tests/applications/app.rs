//! A service whose handlers speak other protocols.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::StreamExt as _;
use hardening::{
    Json, Priority, Rejected, RouteLimits, Setup, circuit_breaker, deadline, hardened_service, timeout,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::services::{ServeDir, ServeFile};

tokio::task_local! {
    /// Hears how each handler's socket ended.
    pub(crate) static ENDS: mpsc::UnboundedSender<String>;
}

/// Limits that code gives to routes.
fn limits(setup: &mut Setup) {
    setup.route("/upload/{id}", RouteLimits::new().body_limit(8 << 20));
    setup.route("/poll", RouteLimits::new().request_timeout(Duration::from_secs(5)));
    setup.route("/download", RouteLimits::new().write_timeout(Duration::from_secs(20)));
    setup.route(
        "/assets/*",
        RouteLimits::new().rate_limit(200, Duration::from_mins(1)).priority(Priority::Low),
    );
}

#[hardened_service(name = "live")]
pub(crate) async fn live(setup: &mut Setup) -> Router {
    limits(setup);
    let ends = ENDS.try_with(Clone::clone).ok();
    let quiet = move |upgrade: WebSocketUpgrade| {
        let ends = ends.clone();
        async move { upgrade.on_upgrade(move |socket| listen(socket, ends)) }
    };
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/echo", any(echo))
        .route("/quiet", get(quiet))
        .route("/late", any(late))
        .route("/sized/{bytes}", get(sized))
        .route("/leaves", get(leaves))
        .route("/raw", get(raw))
        .route("/refuses", get(refuses))
        .route("/upload/{id}", post(async |body: Bytes| body.len().to_string()))
        .route("/other", post(async |body: Bytes| body.len().to_string()))
        .route("/poll", get(waits))
        .route("/short", get(waits))
        .route("/download", get(async || vec![b'x'; 16 << 20]))
        .route("/large", get(async || vec![b'x'; 16 << 20]))
        .route("/assets/{*path}", get(async || "body {}"))
        .merge(packed())
        .nest_service("/files", ServeDir::new(env!("CARGO_MANIFEST_DIR")))
        .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()))
        .route("/id", get(names_itself))
        .route(
            "/host",
            get(async |headers: HeaderMap| {
                format!("{:?}", headers.get_all("host").iter().collect::<Vec<_>>())
            }),
        )
        .route("/health", get(async || "mine"))
        .route("/unauthenticated", get(async || Err::<(), _>(Rejected::Unauthenticated)))
        .route("/breaks", get(breaks))
        .route("/silent", get(silent))
        .route("/ticks", get(ticks))
        .route("/reads", post(reads))
        .route("/passes", post(passes))
        .route("/job", post(async || job()))
}

/// How many jobs have ended.
pub(crate) static JOBS: AtomicU32 = AtomicU32::new(0);

/// Begins work that goes on after the answer.
fn job() {
    hardening::context::spawn(async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        JOBS.fetch_add(1, Ordering::Relaxed);
    });
}

async fn names_itself(headers: HeaderMap) -> String {
    let header = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    format!("{} {}", header.unwrap_or_default(), hardening::context::request_id().unwrap_or_default())
}

/// How many small pieces an answer has.
pub(crate) const TICKS: usize = 60_000;

async fn ticks() -> Body {
    Body::from_stream(futures_util::stream::iter(std::iter::repeat_n(
        Ok::<_, std::convert::Infallible>("tick"),
        TICKS,
    )))
}

/// An answer whose body fails after a while.
async fn breaks() -> Body {
    let pieces = [Ok("some"), Err(std::io::Error::other("the disk is gone"))];
    Body::from_stream(futures_util::stream::iter(pieces))
}

/// A call that reads what its caller sends, in no more than its own time.
#[circuit_breaker(consecutive = 3, window = 10s, open_for = 30s)]
#[timeout(200ms)]
async fn read(body: Body) -> Result<usize, Unread> {
    axum::body::to_bytes(body, 1 << 20).await.map(|bytes| bytes.len()).map_err(|_| Unread)
}

/// It was not read.
#[derive(Debug)]
struct Unread;

impl From<Rejected> for Unread {
    fn from(_: Rejected) -> Self {
        Self
    }
}

async fn reads(body: Body) -> Result<String, StatusCode> {
    read(body).await.map(|length| length.to_string()).map_err(|Unread| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Takes a body part by part, and keeps none of it.
async fn passes(body: Body) -> Result<String, StatusCode> {
    let (mut parts, mut bytes) = (body.into_data_stream(), 0);
    while let Some(part) = parts.next().await {
        bytes += part.map_err(|_| StatusCode::BAD_REQUEST)?.len();
    }
    Ok(bytes.to_string())
}

/// An answer that begins and says no more.
async fn silent() -> Body {
    let begins = futures_util::stream::iter([Ok::<_, std::io::Error>("begins")]);
    Body::from_stream(begins.chain(futures_util::stream::pending()))
}

async fn waits() -> &'static str {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    "news"
}

/// Bodies that are unpacked before a handler has them.
fn packed() -> Router {
    Router::new()
        .route("/packed/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/packed/text", post(async |body: String| body.len().to_string()))
        .route("/packed/json", post(async |Json(value): Json<Vec<u8>>| value.len().to_string()))
        .route("/packed/axum", post(async |axum::Json(value): axum::Json<Vec<u8>>| value.len().to_string()))
        .route(
            "/packed/raw",
            post(async |body: Body| {
                let whole = axum::body::to_bytes(body, usize::MAX).await;
                whole.map_or_else(|error| error.to_string(), |whole| whole.len().to_string())
            }),
        )
        .layer(RequestDecompressionLayer::new())
}

#[deadline(2s)]
async fn echo(upgrade: WebSocketUpgrade) -> Result<Response, Rejected> {
    Ok(upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err()
            {
                return;
            }
        }
    }))
}

/// Looks at its client's messages after a second, and tells their size.
async fn late(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        while let Some(Ok(message)) = socket.recv().await {
            let size = message.into_data().len().to_string();
            if socket.send(Message::Text(size.into())).await.is_err() {
                return;
            }
        }
    })
}

/// Says nothing, and tells how it ended.
async fn listen(mut socket: WebSocket, ends: Option<mpsc::UnboundedSender<String>>) {
    let end = loop {
        match socket.recv().await {
            Some(Ok(Message::Close(Some(frame)))) => break format!("close {}", frame.code),
            Some(Ok(_)) => {}
            Some(Err(error)) => break format!("error: {error}"),
            None => break "the end".to_owned(),
        }
    };
    if let Some(ends) = ends {
        let _ = ends.send(end);
    }
}

/// Sends messages of this size for ever.
async fn sized(Path(bytes): Path<usize>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let message = Message::Binary(vec![b'x'; bytes].into());
        while socket.send(message.clone()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

/// Closes once the service stops.
async fn leaves(upgrade: WebSocketUpgrade) -> Response {
    let draining = hardening::context::draining();
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        draining.await;
        let frame = axum::extract::ws::CloseFrame { code: 4000, reason: "by the handler".into() };
        let _ = socket.send(Message::Close(Some(frame))).await;
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

/// Another protocol: says back what it hears.
async fn raw(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut upgraded = TokioIo::new(upgraded);
        let mut heard = [0; 1024];
        while let Ok(read @ 1..) = upgraded.read(&mut heard).await {
            if upgraded.write_all(&heard[..read]).await.is_err() {
                return;
            }
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "raw")];
    (StatusCode::SWITCHING_PROTOCOLS, headers.map(|(name, value)| (name, HeaderValue::from_static(value))))
        .into_response()
}

async fn refuses(_: WebSocketUpgrade) -> StatusCode {
    StatusCode::FORBIDDEN
}

/// A page application: whatever is no file is its first page.
#[hardened_service(name = "pages")]
pub(crate) async fn pages() -> Router {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    Router::new().route("/api/hello", get(|| async { "hello" })).fallback_service(
        ServeDir::new(folder).fallback(ServeFile::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))),
    )
}

/// Files and other things, mounted in every way.
#[hardened_service(name = "site")]
pub(crate) async fn site() -> Router {
    let folder = || ServeDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let inner = Router::new().route("/price", get(async || Json(7))).route("/poll", get(waits));
    Router::new()
        .route("/api/hello", get(|| async { "hello" }))
        .route("/embedded/{*path}", get(async || ([(header::ETAG, "\"1\"")], "body {}")))
        .nest_service("/static", folder())
        .nest_service("/inner", inner)
        .route_service("/logo", ServeFile::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")))
        .fallback_service(folder())
}

#[hardened_service(name = "panics")]
pub(crate) async fn panics() -> Router {
    panic!("no such table")
}

tokio::task_local! {
    /// What set-up waits for, and whether it fails then.
    pub(crate) static GATE: (std::sync::Arc<tokio::sync::Notify>, bool);
}

/// A service whose set-up takes as long as its gate is closed.
#[hardened_service(name = "slow")]
pub(crate) async fn slow(_: &mut Setup) -> hardening::Result<Router> {
    let (gate, fails) = GATE.with(Clone::clone);
    gate.notified().await;
    if fails {
        return Err("the schema is missing".into());
    }
    Ok(Router::new().route("/hello", get(|| async { "hello" })))
}

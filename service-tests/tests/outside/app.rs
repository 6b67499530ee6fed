//! The service, with what proxies and clients of sockets ask for.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::{any, get, post};
use futures_util::StreamExt as _;
use hardening::{Running, context, hardened_service};

#[hardened_service(name = "outside")]
async fn outside() -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/slow", get(slow))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/events", get(events))
        .route("/page", get(page))
        .route("/echo", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)))
}

pub(crate) async fn start(settings: &str) -> Running {
    let running = outside().with_settings(format!("{settings}\n[log]\naccess = false")).start().await;
    running.unwrap_or_else(|error| panic!("{error}"))
}

async fn who(headers: HeaderMap) -> String {
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    format!("{} {id}", context::client_ip())
}

/// A page whose script may open connections to where it came from, which the service's own policy would not allow.
async fn page() -> ([(&'static str, &'static str); 1], Html<&'static str>) {
    ([("content-security-policy", "default-src 'self'")], Html("<!doctype html><title>Sockets</title>"))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "slow"
}

/// Two events, the second of which comes much later.
async fn events() -> ([(&'static str, &'static str); 1], Body) {
    let events = futures_util::stream::iter([0_u64, 3]).then(async |pause| {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok::<_, std::io::Error>(format!("data: after {pause} s\n\n"))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Close(_)) || socket.send(message).await.is_err() {
            return;
        }
    }
}

//! A service whose handlers speak other protocols.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hardening::{Rejected, deadline, hardened_service};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

tokio::task_local! {
    /// Hears how each handler's socket ended.
    pub(crate) static ENDS: mpsc::UnboundedSender<String>;
}

#[hardened_service(name = "live")]
pub(crate) async fn live() -> Router {
    let ends = ENDS.try_with(Clone::clone).ok();
    let quiet = move |upgrade: WebSocketUpgrade| {
        let ends = ends.clone();
        async move { upgrade.on_upgrade(move |socket| listen(socket, ends)) }
    };
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/echo", any(echo))
        .route("/quiet", get(quiet))
        .route("/sized/{bytes}", get(sized))
        .route("/leaves", get(leaves))
        .route("/raw", get(raw))
        .route("/refuses", get(refuses))
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

//! The service on free ports, and clients of its sockets.

use std::net::SocketAddr;

use futures_util::StreamExt;
use hardening::Running;
use hardening_service_tests::client;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::app::{ENDS, live};

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// The service under these settings, and how its handlers' sockets end.
pub(crate) async fn start(settings: &str) -> (Running, mpsc::UnboundedReceiver<String>) {
    let (ends, ended) = mpsc::unbounded_channel();
    let settings = format!("{settings}\n[log]\naccess = false");
    let running = ENDS.scope(ends, live().with_settings(&settings).start()).await;
    (running.unwrap_or_else(|error| panic!("{error}")), ended)
}

pub(crate) async fn try_open(address: SocketAddr, path: &str) -> Result<Socket, Error> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let url = format!("ws://{address}{path}");
    tokio_tungstenite::client_async(url, stream).await.map(|(socket, _)| socket)
}

pub(crate) async fn open(address: SocketAddr, path: &str) -> Socket {
    try_open(address, path).await.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reads to the end: the code and the reason of the close, if there was one.
pub(crate) async fn close_of<S>(socket: &mut WebSocketStream<S>) -> Option<(u16, String)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut close = None;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Close(Some(frame))) => close = Some((frame.code.into(), frame.reason.to_string())),
            Ok(_) => {}
            Err(error) => {
                assert!(close.is_some(), "no close before {error}");
            }
        }
    }
    close
}

/// The value of one sample.
pub(crate) async fn sample(running: &Running, name: &str) -> Option<u64> {
    let metrics = client::get(running.admin_addr, "/metrics").await;
    let line =
        metrics.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.and_then(|value| value.parse().ok())
}

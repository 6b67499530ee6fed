//! Sockets over HTTP/2 (RFC 8441).

use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::support::{close_of, start};

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

async fn connect(address: std::net::SocketAddr) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn open(
    sender: &mut http2::SendRequest<Empty<Bytes>>,
    path: &str,
) -> Result<WebSocketStream<Upgraded>, String> {
    let request = http::Request::connect(format!("http://here{path}"))
        .header("sec-websocket-version", "13")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Empty::new())
        .unwrap();
    let response = sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
    if response.status() != 200 {
        return Err(response.status().to_string());
    }
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.map_err(|error| error.to_string())?);
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
}

#[tokio::test]
async fn many_sockets_share_one_connection() {
    let (running, _) = start("[http]\nhttp2_websockets = true\n[shutdown]\npre_drain = '0s'").await;
    let mut sender = connect(running.addr).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(open(&mut sender, "/echo").await.unwrap());
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        let message = Message::text(format!("number {number} {}", "x".repeat(100_000)));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    let stopped = tokio::spawn(running.shutdown());
    for socket in &mut sockets {
        assert_eq!(close_of(socket).await, Some((1001, "the service stops".to_owned())));
    }
    assert!(stopped.await.unwrap().is_clean());
}

#[tokio::test]
async fn without_the_setting_there_are_none() {
    let (running, _) = start("").await;
    let mut sender = connect(running.addr).await;
    let refused = open(&mut sender, "/echo").await.map(drop).unwrap_err();
    assert!(refused.contains("extended") || refused.contains("PROTOCOL"), "{refused}");
}

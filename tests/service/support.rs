//! Clients that speak HTTP by hand.

use std::net::SocketAddr;
use std::time::Duration;

use hardening::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The service under test with these settings.
pub(crate) async fn start(toml: &str) -> Running {
    super::app::tested().with_settings(toml).start().await.unwrap_or_else(|error| panic!("{error}"))
}

/// One answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The last answer in `text`, which holds one.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head:?}"));
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// One header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Asserts that this is a proper error answer of `status`, and gives its body.
    pub(crate) fn problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], status);
        let id = self.header("x-request-id").unwrap_or_else(|| panic!("no request id: {self:?}"));
        assert_eq!(body["request_id"], id);
        for member in ["type", "title"] {
            assert!(body[member].is_string(), "{member}: {body}");
        }
        body
    }
}

/// Sends bytes as they are and reads until the other end closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_all(&mut stream).await
}

/// Reads until the other end closes.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    let read = read.unwrap_or_else(|_| panic!("the connection stays open after {text:?}"));
    read.unwrap_or_else(|error| panic!("{error} after {text:?}"));
    text
}

/// One request on a connection of its own. `head` is the request line and what fields the test is about.
pub(crate) async fn send(address: SocketAddr, head: &str, body: &str) -> Answer {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let request =
        format!("{}\r\nhost: localhost\r\nconnection: close\r\n{length}\r\n{body}", head.trim_end());
    Answer::parse(&raw(address, request.as_bytes()).await)
}

/// `GET` of a path.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1"), "").await
}

/// `POST` of JSON.
pub(crate) async fn post_json(address: SocketAddr, path: &str, body: &str) -> Answer {
    send(address, &format!("POST {path} HTTP/1.1\r\ncontent-type: application/json"), body).await
}

/// Waits until the service works on so many requests; what the admin listener answers is not among them.
pub(crate) async fn in_flight(admin: SocketAddr, count: usize) {
    let line = format!("\nhttp_requests_in_flight {count}\n");
    eventually(&format!("{count} in flight"), || async { get(admin, "/metrics").await.body.contains(&line) })
        .await;
}

/// Waits until `what` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

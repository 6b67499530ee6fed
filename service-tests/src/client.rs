//! Clients: one of raw bytes that may misbehave, and one of HTTP/2.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// No wait of these tests is longer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Whether `100 Continue` came before it.
    pub continued: bool,
}

impl Reply {
    /// The one header field of this name.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = found.next();
        assert_eq!(found.next(), None, "`{name}` stands twice: {self:#?}");
        first
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The text of a request; a body gets its length.
pub fn request(method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in fields {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        text.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    text + "\r\n" + body
}

/// The answer to `GET path` on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    get_with(address, path, &[]).await
}

pub async fn get_with(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Reply {
    ask(address, request("GET", path, fields, "")).await
}

pub async fn post_json(address: SocketAddr, path: &str, body: &str) -> Reply {
    ask(address, request("POST", path, &[("content-type", "application/json")], body)).await
}

/// The answer to these bytes on a connection of its own.
pub async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Reply {
    let mut client = Client::connect(address).await;
    client.send(bytes).await;
    client.reply().await
}

/// A connection from this address of the loopback network, all of which is this machine.
pub async fn connect_from(client: impl Into<IpAddr>, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((client.into(), 0).into()).expect("an address");
    let stream = socket.connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// A connection on which anything can be sent.
pub struct Client<S = TcpStream>(BufReader<S>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream =
            timeout(PATIENCE, TcpStream::connect(address)).await.expect("in time").expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self::over(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// What it speaks over.
    pub fn stream(&self) -> &S {
        self.0.get_ref()
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.sent(bytes).await, "the connection was cut");
    }

    /// Whether the connection still took these bytes.
    pub async fn sent(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        timeout(PATIENCE, self.0.get_mut().write_all(bytes.as_ref())).await.expect("in time").is_ok()
    }

    /// The next answer.
    pub async fn reply(&mut self) -> Reply {
        timeout(PATIENCE, self.read(true)).await.expect("an answer in time")
    }

    /// The next answer when it answers HEAD.
    pub async fn reply_to_head(&mut self) -> Reply {
        timeout(PATIENCE, self.read(false)).await.expect("an answer in time")
    }

    /// Waits for `100 Continue`.
    pub async fn continued(&mut self) {
        for expected in ["HTTP/1.1 100 Continue", ""] {
            assert_eq!(timeout(PATIENCE, self.line()).await.expect("in time"), expected);
        }
    }

    /// Takes up to `most` bytes of a body; answers how many there were.
    pub async fn some(&mut self, most: usize) -> usize {
        let mut taken = vec![0; most];
        let count = timeout(PATIENCE, self.0.read(&mut taken)).await.expect("in time").expect("bytes");
        assert_ne!(count, 0, "the connection ended");
        count
    }

    /// Reads until these bytes have come.
    pub async fn until(&mut self, end: &[u8]) {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            read.push(timeout(PATIENCE, self.0.read_u8()).await.expect("in time").expect("a byte"));
        }
    }

    /// Everything that still comes until the connection ends.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset ends it as well.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("an end in time");
        String::from_utf8_lossy(&rest).into_owned()
    }

    async fn read(&mut self, with_body: bool) -> Reply {
        let mut reply = Reply::default();
        loop {
            let line = self.line().await;
            let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
            reply.status = status
                .and_then(|rest| rest.get(..3)?.parse().ok())
                .unwrap_or_else(|| panic!("no status: {line:?}"));
            loop {
                let line = self.line().await;
                let Some((name, value)) = line.split_once(": ") else { break };
                reply.headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            if reply.status != 100 {
                break;
            }
            reply.continued = true;
        }
        if with_body {
            reply.body = self.body(&reply).await;
        }
        reply
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("a line");
        assert!(line.ends_with("\r\n"), "the connection ended with {line:?}");
        line.trim_end().to_owned()
    }

    async fn body(&mut self, reply: &Reply) -> String {
        let mut body = Vec::new();
        if let Some(length) = reply.header("content-length") {
            body.resize(length.parse().expect("a length"), 0);
            self.0.read_exact(&mut body).await.expect("a whole body");
        } else if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line().await, 16).expect("a chunk's size");
                let start = body.len();
                body.resize(start + size, 0);
                self.0.read_exact(&mut body[start..]).await.expect("a whole chunk");
                self.line().await;
                if size == 0 {
                    break;
                }
            }
        }
        String::from_utf8(body).expect("text")
    }
}

/// An HTTP/2 connection without TLS, which both sides know to be one.
pub struct Http2(SendRequest<Full<Bytes>>);

impl Http2 {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection")).await
    }

    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let answer = self.open(method, path, fields, body).await;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let headers =
            answer.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let status = answer.status().as_u16();
        let body =
            timeout(PATIENCE, answer.into_body().collect()).await.expect("in time").expect("a whole body");
        Reply { status, headers, body: text(&body.to_bytes()), continued: false }
    }

    /// The answer's head, and its body as it comes. A whole target names another authority than `localhost`.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Response<Incoming> {
        let target = if path.starts_with('/') { format!("http://localhost{path}") } else { path.to_owned() };
        let mut request = hyper::Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let sent = self.0.clone().send_request(request);
        timeout(PATIENCE, sent).await.expect("in time").expect("an answer")
    }
}

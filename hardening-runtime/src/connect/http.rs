//! An HTTP client: pooled, bounded, cut by the deadline around it, telling the other side whose request it is.
//!
//! It speaks HTTP/1.1, and over TLS (feature `tls`) HTTP/2 where the other side does. It keeps whole answers, follows no
//! redirect and repeats nothing: `#[retry]` does, under the evidence that an [`Error`] gives.

mod again;
mod connector;
mod error;
mod interim;
mod request;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "http/no_tls.rs"]
mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::http::{Method, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use self::connector::Connector;
pub use self::error::{BuildError, Error, Kind, Sent};
pub use self::request::{RequestBuilder, Response};

/// How long a connection is kept without a request: less than the 60 s after which servers begin to close theirs, so that
/// a request seldom meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(50);
/// Kept connections to one host.
const IDLE_CONNECTIONS: usize = 32;
/// How often a connection of HTTP/2 with requests on it is asked whether it is alive, and how long it may think.
const PING: Duration = Duration::from_secs(10);

type Pool = legacy::Client<Connector, Full<Bytes>>;

/// A client. Clones share its connections, so make one and keep it.
///
/// ```no_run
/// # async fn run() -> Result<(), hardening_runtime::connect::http::Error> {
/// use hardening_runtime::connect::http::Client;
///
/// let client = Client::new();
/// let answer = client.get("http://stock.internal/items/7").send().await?.error_for_status()?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    timeout: Duration,
    body: usize,
    /// Whether its requests have spans, and tell whose they are.
    seen: bool,
}

/// What a [`Client`] is made with.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    connect_timeout: Duration,
    ca_file: Option<PathBuf>,
    limits: Limits,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            ca_file: None,
            limits: Limits { timeout: Duration::from_secs(10), body: 4 << 20, seen: true },
        }
    }
}

impl ClientBuilder {
    /// The longest that a connection may take, from the name's resolution to the end of the TLS handshake: 3 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest that a request may take, from its first byte to the last one of the answer: 10 s unless set. The deadline around
    /// the request cuts it where that comes earlier.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The largest body of an answer, in bytes [4 MiB]. A longer one is an error.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// A PEM file with roots that are trusted beside those of the system.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_file = Some(path.as_ref().to_owned());
        self
    }

    /// Without spans, and without the fields of a request around it: for telemetry itself.
    #[cfg(any(feature = "otlp", feature = "alerts"))]
    pub(crate) fn unseen(mut self) -> Self {
        self.limits.seen = false;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When the file of roots cannot be read or holds no certificate, or when there is one and this binary speaks no TLS.
    pub fn build(self) -> Result<Client, BuildError> {
        let tls = tls::Connector::new(self.ca_file.as_deref())?;
        let connector = Connector::new(self.connect_timeout, tls);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .build(connector);
        Ok(Client { pool, limits: self.limits })
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client with the defaults of [`ClientBuilder`].
    pub fn new() -> Self {
        let built = ClientBuilder::default().build();
        // Only a file of roots can be wrong, and there is none.
        built.unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// A client made to measure.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A GET request. An address that is none is told by `send`.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A POST request.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Whether a request can be sent there.
    #[cfg(any(feature = "otlp", feature = "alerts"))]
    #[expect(clippy::unused_self, reason = "it may come to depend on how the client is made")]
    pub(crate) fn speaks(&self, url: &str) -> Result<(), String> {
        address(url).map(drop)
    }

    /// A request of any method.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(self.clone(), method, address(url.as_ref()))
    }
}

/// An address that a request can be sent to.
fn address(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| "this is no URL".to_owned())?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") if tls::SPOKEN => {}
        Some("https") => return Err(tls::NOT_SPOKEN.to_owned()),
        _ => return Err("a URL begins with `http://` or `https://`".to_owned()),
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("a URL carries no credentials: send a header field".to_owned())
        }
        Some(authority) if !authority.host().is_empty() => Ok(uri),
        _ => Err("the URL names no host".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole_and_hold_no_credentials() {
        for (url, wrong) in [
            ("http://a", None),
            ("http://a:1/b?c", None),
            ("http://[::1]:1/", None),
            ("/b", Some("begins with")),
            ("ftp://a/", Some("begins with")),
            ("http://", Some("no URL")),
            ("http://u:p@a/", Some("credentials")),
            ("http://a b/", Some("no URL")),
        ] {
            let found = address(url).err();
            assert_eq!(found.is_some(), wrong.is_some(), "{url}: {found:?}");
            assert!(found.unwrap_or_default().contains(wrong.unwrap_or_default()), "{url}");
        }
    }
}

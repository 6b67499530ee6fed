//! An HTTP client that keeps its connections, and a load of several of them.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// No wait of these tests is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server says that this was the connection's last answer.
    pub(crate) fn is_last(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(address).await?)))
    }

    /// `GET path`, and the whole answer.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Reply> {
        let exchange = async {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            self.0.get_mut().write_all(request.as_bytes()).await?;
            self.answer().await
        };
        timeout(PATIENCE, exchange).await?
    }

    async fn answer(&mut self) -> io::Result<Reply> {
        let mut reply = Reply::default();
        let line = self.line().await?;
        let malformed = |line: &str| io::Error::new(ErrorKind::InvalidData, format!("no answer: {line:?}"));
        reply.status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| malformed(&line))?;
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            reply.head.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = reply.header("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.ok_or_else(|| malformed(&line))?];
        self.0.read_exact(&mut body).await?;
        reply.body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(reply)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::Error::new(ErrorKind::UnexpectedEof, format!("closed after {line:?}"))),
        }
    }

    /// Whether the other end closes without another word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.0.read_u8()).await, Ok(Err(_)))
    }
}

/// `GET path` on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Reply {
    try_get(address, path).await.unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) async fn try_get(address: SocketAddr, path: &str) -> io::Result<Reply> {
    Connection::open(address).await?.get(path).await
}

/// Whether connections to `address` are refused.
pub(crate) async fn is_refused(address: SocketAddr) -> bool {
    let connected = TcpStream::connect(address).await;
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// What clients met.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// When each request that was served had begun.
    pub(crate) served: Vec<Instant>,
    /// When each connection that was refused was known to be.
    pub(crate) refused: Vec<Instant>,
    /// What else came of requests on connections that were accepted.
    pub(crate) lost: Vec<String>,
    /// How many served requests were not the first on their connection.
    pub(crate) kept: usize,
}

/// Clients that ask again and again.
#[derive(Debug)]
pub(crate) struct Load {
    counts: Arc<Counts>,
    clients: JoinSet<Tally>,
}

/// How it stands with all clients together.
#[derive(Debug, Default)]
struct Counts {
    stop: AtomicBool,
    served: AtomicUsize,
    refused: AtomicUsize,
}

impl Load {
    /// Eight clients with 200 requests a second together.
    pub(crate) fn start(address: SocketAddr, path: &'static str) -> Self {
        let counts = Arc::<Counts>::default();
        let mut clients = JoinSet::new();
        for _ in 0..8 {
            clients.spawn(client(address, path, Arc::clone(&counts)));
        }
        Self { counts, clients }
    }

    /// Waits until this many more requests have been served.
    pub(crate) async fn serves(&self, more: usize) {
        grows(&self.counts.served, more).await;
    }

    /// Waits until this many connections have been refused.
    pub(crate) async fn refuses(&self, more: usize) {
        grows(&self.counts.refused, more).await;
    }

    /// Ends it and counts together.
    pub(crate) async fn end(self) -> Tally {
        self.counts.stop.store(true, Ordering::SeqCst);
        let mut all = Tally::default();
        for mut tally in self.clients.join_all().await {
            all.served.append(&mut tally.served);
            all.refused.append(&mut tally.refused);
            all.lost.append(&mut tally.lost);
            all.kept += tally.kept;
        }
        all.served.sort();
        all.refused.sort();
        all
    }
}

async fn grows(count: &AtomicUsize, more: usize) {
    let wanted = count.load(Ordering::SeqCst) + more;
    let grown = async {
        while count.load(Ordering::SeqCst) < wanted {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, grown).await.is_ok(), "{count:?} does not become {wanted}");
}

/// Keeps its connection until it is told that an answer was the last.
async fn client(address: SocketAddr, path: &'static str, counts: Arc<Counts>) -> Tally {
    let mut tally = Tally::default();
    let mut kept: Option<Connection> = None;
    while !counts.stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        let is_kept = kept.is_some();
        let connection = match kept.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(address).await,
        };
        match connection {
            Ok(mut connection) => match connection.get(path).await {
                Ok(reply) if reply.status == 200 => {
                    tally.served.push(began);
                    counts.served.fetch_add(1, Ordering::SeqCst);
                    tally.kept += usize::from(is_kept);
                    kept = (!reply.is_last()).then_some(connection);
                }
                Ok(reply) => tally.lost.push(format!("{reply:?}")),
                Err(error) => tally.lost.push(format!("{error} (kept: {is_kept})")),
            },
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                tally.refused.push(Instant::now());
                counts.refused.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => tally.lost.push(format!("connecting: {error}")),
        }
        sleep(Duration::from_millis(40).saturating_sub(began.elapsed())).await;
    }
    tally
}

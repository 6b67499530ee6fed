//! Clients that keep their connections, ask at a steady rate, repeat nothing, and remember every failure.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use crate::app::ANSWER;
use crate::grpc;

/// No request takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Where the clients go, and how.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// After this many requests a connection is left for a new one.
    pub(crate) requests_per_connection: u32,
}

impl Target {
    pub(crate) async fn connect(&self, protocol: &str) -> std::io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let mut config = (**tls).clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) took: Vec<Duration>,
    /// Calls of gRPC among them.
    pub(crate) calls: usize,
    pub(crate) connections: u32,
    /// Requests that a connection handed back, because it was told to end before anything of them was sent.
    pub(crate) unsent: usize,
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// The time that this many of a hundred requests did not take longer than.
    pub(crate) fn percentile(&self, hundredths: usize) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        took[(took.len() - 1) * hundredths / 100]
    }
}

/// Clients at work.
pub(crate) struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

impl Load {
    /// 80 requests a second over 16 connections of HTTP/1.1, 60 over 3 of HTTP/2, and 60 calls of gRPC over 3 more.
    pub(crate) fn start(target: &Target) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::default();
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            clients.spawn(old(target.clone(), Arc::clone(&tally), stopped.clone()));
        }
        for _ in 0..3 {
            clients.spawn(new(target.clone(), Arc::clone(&tally), stopped.clone()));
            clients.spawn(grpc::caller(target.clone(), Arc::clone(&tally), stopped.clone()));
        }
        Self { tally, stop, clients }
    }

    /// Lets every request that has begun finish.
    pub(crate) async fn end(self) -> Tally {
        self.stop.send(true).unwrap();
        self.clients.join_all().await;
        std::mem::take(&mut *self.tally.lock().unwrap())
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.tally.lock().unwrap().failures.clone()
    }
}

fn request() -> Request<Empty<Bytes>> {
    Request::get("http://test/work").header("host", "test").body(Empty::new()).unwrap()
}

/// Whether the whole answer came and was right; answers whether the connection may be used again.
async fn right(answer: impl Future<Output = hyper::Result<Response<Incoming>>>) -> Result<bool, String> {
    let whole = async {
        let answer = answer.await.map_err(|error| format!("no answer: {error:?}"))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("half an answer: {error:?}"))?.to_bytes();
        if head.status != 200 || body != ANSWER {
            return Err(format!("{} {}", head.status, String::from_utf8_lossy(&body)));
        }
        Ok(head.headers.get("connection").is_none_or(|value| value != "close"))
    };
    timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

pub(crate) fn note(tally: &Mutex<Tally>, began: Instant, result: &Result<bool, String>) {
    let mut tally = tally.lock().unwrap();
    match result {
        Ok(_) => tally.took.push(began.elapsed()),
        Err(why) => tally.failures.push(format!("{why} (after {:?})", began.elapsed())),
    }
}

/// A client of HTTP/1.1: five requests a second, one after the other.
async fn old(target: Target, tally: Arc<Mutex<Tally>>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(Duration::from_millis(200));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut open: Option<(http1::SendRequest<Empty<Bytes>>, u32)> = None;
    loop {
        tokio::select! { _ = stopped.changed() => return, _ = ticks.tick() => {} }
        let began = Instant::now();
        let (mut sender, left) = match open.take().filter(|(sender, _)| !sender.is_closed()) {
            Some(open) => open,
            None => match target.connect("http/1.1").await {
                Ok(stream) => {
                    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
                    tokio::spawn(connection);
                    tally.lock().unwrap().connections += 1;
                    (sender, target.requests_per_connection)
                }
                Err(error) => {
                    note(&tally, began, &Err(format!("no connection: {error:?}")));
                    continue;
                }
            },
        };
        let result = right(sender.send_request(request())).await;
        note(&tally, began, &result);
        open = (result == Ok(true) && left > 1).then_some((sender, left - 1));
    }
}

/// Sends over HTTP/2. A client finds out that its connection is to end while requests wait in its own queue for it; what it hands
/// back was never sent, and goes over a new connection, as every pool of connections does it. What was sent is never repeated.
pub(crate) async fn sent<B>(
    mut sender: http2::SendRequest<B>,
    request: Request<B>,
    target: Target,
    tally: Arc<Mutex<Tally>>,
) -> hyper::Result<Response<Incoming>>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut failed = match sender.try_send_request(request).await {
        Ok(answer) => return Ok(answer),
        Err(failed) => failed,
    };
    let Some(unsent) = failed.take_message() else { return Err(failed.into_error()) };
    let Ok(stream) = target.connect("h2").await else { return Err(failed.into_error()) };
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    tally.lock().unwrap().unsent += 1;
    sender.send_request(unsent).await
}

/// A client of HTTP/2: twenty requests a second, without waiting for one another.
async fn new(target: Target, tally: Arc<Mutex<Tally>>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut open: Option<(http2::SendRequest<Empty<Bytes>>, u32)> = None;
    let mut requests = JoinSet::new();
    loop {
        tokio::select! { _ = stopped.changed() => break, _ = ticks.tick() => {} }
        let began = Instant::now();
        // A connection that is told to end takes no new request.
        let (sender, left) = match open.take().filter(|(sender, _)| sender.is_ready()) {
            Some(open) => open,
            None => match target.connect("h2").await {
                Ok(stream) => {
                    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
                    let (sender, connection) = shaken.unwrap();
                    tokio::spawn(connection);
                    tally.lock().unwrap().connections += 1;
                    (sender, target.requests_per_connection)
                }
                Err(error) => {
                    note(&tally, began, &Err(format!("no connection: {error:?}")));
                    continue;
                }
            },
        };
        let kept = Some(sender.clone());
        let answer = sent(sender, request(), target.clone(), Arc::clone(&tally));
        let tally = Arc::clone(&tally);
        requests.spawn(async move { note(&tally, began, &right(answer).await) });
        open = kept.filter(|_| left > 1).map(|sender| (sender, left - 1));
    }
    requests.join_all().await;
}

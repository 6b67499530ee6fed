//! Connections that outlive what they were accepted by: roots that were taken back, certificates that expire, and their own age.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hardening::Running;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;
use tonic::codegen::Bytes;
use tonic::codegen::tokio_stream::{StreamExt as _, iter, wrappers::ReceiverStream};

use super::support::start;
use hardening_service_tests::certificates::{Authority, Pair, connect, now};
use hardening_service_tests::client::{Client, PATIENCE, request};
use hardening_service_tests::service::{problem, scrape, until, value};

/// An authority whose service takes clients of a second one as well, until they are taken back.
struct Two {
    ours: Authority,
    theirs: Authority,
}

impl Two {
    fn new() -> Self {
        Self { ours: Authority::new(), theirs: Authority::new() }
    }

    async fn start(&self, settings: &str) -> Running {
        let roots = self.ours.file("clients.pem", &(self.ours.pem() + &self.theirs.pem()));
        start(&format!("{}client_ca = {roots:?}\n{settings}", self.ours.install(&self.ours.server()))).await
    }

    /// From now on clients of the second authority are nobody.
    async fn take_back(&self, running: &Running) {
        self.ours.file("clients.pem", &self.ours.pem());
        let series = "tls_certificate_reloads_total{result=\"applied\"}";
        let reloaded = async || value(&scrape(running).await, series) == Some(1.0);
        until("the roots are read again", reloaded).await;
    }

    /// A client's configuration, which keeps the tickets that it gets.
    fn config(&self, pair: Option<&Pair>, alpn: &str) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.ours.config(pair, rustls::ALL_VERSIONS, &[alpn]));
        config.resumption = Resumption::in_memory_sessions(16);
        Arc::new(config)
    }
}

async fn drained(running: &Running, cause: &str) -> Option<f64> {
    value(&scrape(running).await, &format!("tls_connections_drained_total{{cause=\"{cause}\"}}"))
}

/// A kept connection of HTTP/1 on which this client has been answered.
async fn kept(address: SocketAddr, config: &Arc<ClientConfig>) -> Client<TlsStream<TcpStream>> {
    let mut client = Client::over(connect(address, config).await.unwrap());
    assert_eq!(whoami(&mut client).await, "till");
    client
}

async fn whoami(client: &mut Client<TlsStream<TcpStream>>) -> String {
    client.send(request("GET", "/whoami", &[], "")).await;
    client.reply().await.body
}

/// How a connection begins, and what it is answered; `None` where the client is turned away.
async fn answered(address: SocketAddr, config: &Arc<ClientConfig>) -> Option<(HandshakeKind, String)> {
    let stream = connect(address, config).await.ok()?;
    let mut client = Client::over(stream);
    // Under TLS 1.3 a client learns of its refusal with the first answer.
    client.sent(request("GET", "/whoami", &[("connection", "close")], "")).await;
    let answer = client.rest().await;
    let (_, body) = answer.rsplit_once("\r\n\r\n")?;
    Some((client.stream().get_ref().1.handshake_kind()?, body.to_owned()))
}

type Part = Result<Frame<Bytes>, Infallible>;
type Parts = StreamBody<std::pin::Pin<Box<dyn tonic::codegen::tokio_stream::Stream<Item = Part> + Send>>>;

/// A connection of HTTP/2 with an upload on it.
struct Busy {
    client: SendRequest<Parts>,
    parts: mpsc::Sender<Bytes>,
    answer: JoinHandle<(u16, Bytes)>,
}

impl Busy {
    async fn on(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let stream = connect(address, config).await.unwrap();
        let (mut client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (parts, receiver) = mpsc::channel(4);
        let body: Parts =
            StreamBody::new(Box::pin(ReceiverStream::new(receiver).map(|part| Ok(Frame::data(part)))));
        parts.send(Bytes::from_static(b"be")).await.unwrap();
        let sent = client.send_request(hyper::Request::post("https://localhost/echo").body(body).unwrap());
        let answer = tokio::spawn(async move {
            let answer = timeout(PATIENCE, sent).await.expect("in time").expect("an answer");
            (answer.status().as_u16(), answer.into_body().collect().await.unwrap().to_bytes())
        });
        Self { client, parts, answer }
    }

    /// Whether anything else can be asked on it.
    async fn can_ask(&self) -> bool {
        let body: Parts = StreamBody::new(Box::pin(iter(Vec::new())));
        let asked = hyper::Request::get("https://localhost/hello").body(body).unwrap();
        let mut client = self.client.clone();
        client.ready().await.is_ok()
            && timeout(PATIENCE, client.send_request(asked)).await.expect("in time").is_ok()
    }

    /// Waits until nothing new can be asked.
    async fn is_told(&self) {
        until("the client is told", async || !self.can_ask().await).await;
    }

    /// What the upload is answered.
    async fn finishes(self) -> (u16, Bytes) {
        self.parts.send(Bytes::from_static(b"gun")).await.unwrap();
        drop(self.parts);
        self.answer.await.unwrap()
    }
}

#[tokio::test]
async fn clients_of_an_authority_that_was_taken_back_are_drained_and_others_are_not() {
    let two = Two::new();
    let running = two.start("[http]\nrate_limit = 'none'").await;
    let (stays, goes) = (two.ours.client("till", &[]), two.theirs.client("till", &[]));
    let old = two.config(Some(&goes), "http/1.1");
    let mut idle = kept(running.addr, &old).await;
    assert_eq!(answered(running.addr, &old).await, Some((HandshakeKind::Resumed, "till".to_owned())));
    let mut half = kept(running.addr, &old).await;
    half.send("GET /hello HTTP/1.1\r\nhost: test\r\n").await;
    let mut uploads = kept(running.addr, &old).await;
    uploads.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nbe").await;
    let busy = Busy::on(running.addr, &two.config(Some(&goes), "h2")).await;
    let mut good = kept(running.addr, &two.config(Some(&stays), "http/1.1")).await;
    let good_and_busy = Busy::on(running.addr, &two.config(Some(&stays), "h2")).await;
    sleep(Duration::from_millis(100)).await;

    two.take_back(&running).await;
    assert_eq!(idle.rest().await, "", "what is idle is closed");
    uploads.send("gun").await;
    let reply = uploads.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "5"), "what was begun is answered");
    assert_eq!(uploads.rest().await, "");
    busy.is_told().await;
    assert_eq!(busy.finishes().await, (200, Bytes::from_static(b"5")));
    half.send("\r\n").await;
    problem(&half.reply().await, 421);
    assert_eq!(half.rest().await, "");
    assert_eq!(drained(&running, "unverified").await, Some(4.0));

    assert_eq!(whoami(&mut good).await, "till", "a client that is still vouched for goes on");
    assert!(good_and_busy.can_ask().await);
    assert_eq!(good_and_busy.finishes().await, (200, Bytes::from_static(b"5")));
    assert_eq!(answered(running.addr, &old).await, None, "neither by its ticket");
    assert_eq!(answered(running.addr, &two.config(Some(&goes), "http/1.1")).await, None, "nor anew");
    assert!(answered(running.addr, &two.config(Some(&stays), "http/1.1")).await.is_some());
    assert_eq!((drained(&running, "expired").await, drained(&running, "age").await), (Some(0.0), Some(0.0)));
}

#[tokio::test]
async fn who_ignores_that_it_is_drained_is_cut() {
    let two = Two::new();
    let running = two.start("[shutdown]\ndrain = '1s'\n[http]\nrate_limit = 'none'").await;
    let goes = two.theirs.client("till", &[]);
    // One that keeps a request open, and on HTTP/2 never answers the ping that comes with the word of the end.
    let mut old = kept(running.addr, &two.config(Some(&goes), "http/1.1")).await;
    old.send(request("GET", "/slow", &[], "")).await;
    let mut new = Client::over(connect(running.addr, &two.config(Some(&goes), "h2")).await.unwrap());
    new.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    new.send(b"\0\0\x0b\x01\x05\0\0\0\x01\x82\x86\x04\x05/slow\x41\x01x").await;
    sleep(Duration::from_millis(100)).await;
    two.take_back(&running).await;
    let began = Instant::now();
    assert_eq!(old.rest().await, "", "cut without an answer");
    new.rest().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_certificate_that_expires_ends_its_connections_and_its_tickets() {
    let two = Two::new();
    let running = two.start("[http]\nrate_limit = 'none'").await;
    let begin = now() - Duration::from_hours(1);
    let short = two.theirs.client_within("till", begin, now() + Duration::from_secs(4));
    let config = two.config(Some(&short), "http/1.1");
    let mut idle = kept(running.addr, &config).await;
    let busy = Busy::on(running.addr, &two.config(Some(&short), "h2")).await;
    let mut good = kept(running.addr, &two.config(Some(&two.theirs.client("till", &[])), "http/1.1")).await;
    assert_eq!(answered(running.addr, &config).await, Some((HandshakeKind::Resumed, "till".to_owned())));
    assert_eq!(whoami(&mut idle).await, "till");
    assert_eq!(idle.rest().await, "", "it is closed once its certificate has expired");
    assert_eq!(answered(running.addr, &config).await, None, "no ticket makes it longer");
    busy.is_told().await;
    assert_eq!(busy.finishes().await, (200, Bytes::from_static(b"5")));
    assert_eq!(drained(&running, "expired").await, Some(2.0));
    assert_eq!(whoami(&mut good).await, "till");
}

#[tokio::test]
async fn no_connection_under_tls_becomes_older_than_the_setting_says() {
    let authority = Authority::new();
    let settings = format!("{}max_connection_age = '1s'\n", authority.install(&authority.server()));
    let running = start(&settings).await;
    let config = |alpn| authority.config(None, rustls::ALL_VERSIONS, &[alpn]);
    let began = Instant::now();
    let busy = Busy::on(running.addr, &config("h2")).await;
    let mut idle = Client::over(connect(running.addr, &config("http/1.1")).await.unwrap());
    idle.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(idle.reply().await.status, 200);
    assert_eq!(idle.rest().await, "");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    busy.is_told().await;
    assert_eq!(busy.finishes().await, (200, Bytes::from_static(b"5")));
    assert_eq!(drained(&running, "age").await, Some(2.0));
    let mut anew = Client::over(connect(running.addr, &config("http/1.1")).await.unwrap());
    anew.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(anew.reply().await.status, 200, "another one is as welcome");
}

//! gRPC while the service stops: what was accepted is finished, and what cannot be is told so.

use hardening::Report;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::prices::{PricesClient, Text, text};
use hardening_service_tests::service::{scrape, until, value};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::grpc_app::{client, quote, start};

/// The requests that were cut off. Calls are counted for the whole process, in which other tests run beside this one.
fn requests(report: &Report) -> Vec<&str> {
    let named = report.still_running.iter().map(String::as_str);
    named.filter(|named| !named.contains("× call ")).collect()
}

#[tokio::test]
async fn i_63_an_open_stream_finishes_within_the_drain() {
    let (running, _) = start("[shutdown]\ndrain = '15s'").await;
    let mut client = client(&running);
    let (sender, receiver) = mpsc::channel(1);
    let mut answers = client.talk(Request::new(ReceiverStream::new(receiver))).await.unwrap().into_inner();
    sender.send(text("before")).await.unwrap();
    assert_eq!(answers.message().await.unwrap(), Some(text("before")));
    running.terminate();
    let refused =
        async || quote(&mut client.clone(), "a").await.is_err_and(|it| it.code() == Code::Unavailable);
    until("nothing new is accepted", refused).await;
    for at in 0..3 {
        sender.send(text(at.to_string())).await.unwrap();
        assert_eq!(answers.message().await.unwrap(), Some(text(at.to_string())));
    }
    drop(sender);
    assert_eq!(answers.message().await.unwrap(), None, "it ends well");
    let report = running.shutdown().await;
    assert!(requests(&report).is_empty() && report.failed.is_empty(), "{report:?}");
}

/// Two calls whose clients say nothing, at once or after a message, and their answers.
async fn silent(client: &mut PricesClient<Channel>) -> Vec<(mpsc::Sender<Text>, tonic::Streaming<Text>)> {
    let mut calls = Vec::new();
    for says in [false, true] {
        let (sender, receiver) = mpsc::channel(1);
        let mut client = client.clone();
        let asked = client.talk(Request::new(ReceiverStream::new(receiver))).await.unwrap();
        let mut answers = asked.into_inner();
        if says {
            sender.send(text("one")).await.unwrap();
            assert_eq!(answers.message().await.unwrap(), Some(text("one")));
        }
        calls.push((sender, answers));
    }
    calls
}

#[tokio::test]
async fn a_stream_on_which_nothing_is_said_ends_soon_after_the_drain_began() {
    let (running, seen) = start("[shutdown]\npre_drain = '0s'\ndrain = '20s'").await;
    let mut client = client(&running);
    let calls = silent(&mut client).await;
    let began = Instant::now();
    let report = tokio::spawn(running.shutdown());
    for (_sender, mut answers) in calls {
        let status = answers.message().await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "The service is shutting down."));
    }
    let report = report.await.unwrap();
    assert!((5..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(requests(&report).is_empty() && report.awaiting_clients.is_empty(), "{report:?}");
    assert_eq!(seen.working(), 0);
}

#[tokio::test]
async fn a_silent_client_makes_no_end_unclean() {
    let (running, _) =
        start("[shutdown]\npre_drain = '0s'\ndrain = '1s'\n[http]\nrequest_timeout = '1s'").await;
    let calls = silent(&mut client(&running)).await;
    let report = running.shutdown().await;
    assert_eq!(requests(&report), Vec::<&str>::new());
    assert_eq!(report.awaiting_clients, ["2 × /shop.v1.Prices/Talk"]);
    drop(calls);
}

#[tokio::test]
async fn what_outlasts_the_drain_is_told_that_the_service_is_gone_and_is_named() {
    let (running, seen) = start("[shutdown]\ndrain = '300ms'\n[http]\nrequest_timeout = '300ms'").await;
    let mut streaming = client(&running);
    let mut stream = streaming.feed(Request::new(text("stuck"))).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap(), Some(text("0")));
    assert_eq!(stream.message().await.unwrap(), Some(text("1")));
    let report = tokio::spawn(running.shutdown());
    let status = stream.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "The service is shutting down."));
    assert_eq!(requests(&report.await.unwrap()), ["1 × /shop.v1.Prices/Feed"]);
    assert_eq!(seen.working(), 0);
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_told_as_well() {
    let (running, seen) = start("[shutdown]\ndrain = '300ms'\n[http]\nrequest_timeout = '60s'").await;
    let mut client = client(&running);
    let stuck = tokio::spawn(async move { quote(&mut client, "stuck").await });
    until("inside", || async { seen.working() == 1 }).await;
    let report = running.shutdown().await;
    assert_eq!(requests(&report), ["1 × /shop.v1.Prices/Quote"]);
    assert!(report.still_running.iter().any(|named| named.ends_with("× call prices.quote")), "{report:?}");
    assert_eq!(stuck.await.unwrap().unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_client_under_tls_gets_the_same() {
    let authority = Authority::new();
    let (running, _) = start(&authority.install(&authority.server())).await;
    let config = authority.config(None, &[&rustls::version::TLS13], &["h2"]);
    let address = running.addr;
    let connector = tower_service_of(move || {
        let config = config.clone();
        async move {
            let stream = connect(address, &config).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
    let mut client = PricesClient::new(channel);
    assert_eq!(quote(&mut client, "sealed").await.unwrap(), "sealed");
    assert_eq!(quote(&mut client, "missing").await.unwrap_err().code(), Code::NotFound);
    let mut stream = client.feed(Request::new(text("5"))).await.unwrap().into_inner();
    let mut count = 0;
    while stream.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 5);
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, r#"tls_handshakes_total{result="done"}"#), Some(1.0));
}

/// A connector from a function.
fn tower_service_of<F, R, C>(make: F) -> Connector<F>
where
    F: FnMut() -> R,
    R: Future<Output = Result<C, std::io::Error>>,
{
    Connector(make)
}

#[derive(Clone)]
struct Connector<F>(F);

impl<F, R, C> tower_service::Service<axum::http::Uri> for Connector<F>
where
    F: FnMut() -> R,
    R: Future<Output = Result<C, std::io::Error>>,
{
    type Response = C;
    type Error = std::io::Error;
    type Future = R;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), std::io::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: axum::http::Uri) -> R {
        (self.0)()
    }
}

//! Streams of gRPC: what they end with is known when they end.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use hardening::Running;
use hardening_service_tests::client::PATIENCE;
use hardening_service_tests::prices::{Text, text};
use hardening_service_tests::service::{scrape, until, value};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use super::grpc_app::{SECRET, client, start};

/// All that comes, and the status at the end.
async fn all(mut stream: Streaming<Text>) -> (Vec<String>, Option<Status>) {
    let mut texts = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(text)) => texts.push(text.service),
            Ok(None) => return (texts, None),
            Err(status) => return (texts, Some(status)),
        }
    }
}

fn calls(method: &str, code: &str) -> String {
    format!("grpc_requests_total{{service=\"shop.v1.Prices\",method=\"{method}\",code=\"{code}\"}}")
}

#[tokio::test]
async fn what_a_stream_ends_with_is_counted_and_not_what_it_began_with() {
    let (running, seen) = start("").await;
    let mut client = client(&running);
    let mut feed = async |script: &str| {
        let answer = client.feed(Request::new(text(script))).await.unwrap();
        assert!(!answer.metadata().contains_key("grpc-status"), "it is not known yet");
        all(answer.into_inner()).await
    };
    let (texts, status) = feed("1000").await;
    assert_eq!((texts.len(), status.map(|status| status.code())), (1000, None));
    let (texts, status) = feed("fails").await;
    let status = status.unwrap();
    assert_eq!((texts.len(), status.code(), status.message()), (2, Code::DataLoss, "torn"));
    let (texts, status) = feed("panic").await;
    let status = status.unwrap();
    assert_eq!(status.code(), Code::Internal);
    assert!(texts.len() <= 1, "{texts:?}: what was not sent yet is lost");
    assert!(!status.message().contains(SECRET), "{status:?}");
    until("all are counted", || async {
        let metrics = scrape(&running).await;
        ["OK", "DATA_LOSS", "INTERNAL"].iter().all(|code| value(&metrics, &calls("Feed", code)) == Some(1.0))
    })
    .await;
    assert_eq!(value(&scrape(&running).await, "http_requests_in_flight"), Some(0.0));
    assert_eq!(seen.working(), 0);
}

#[tokio::test]
async fn who_goes_away_ends_the_work_and_is_counted() {
    let (running, seen) = start("").await;
    let mut client = client(&running);
    let mut stream = client.feed(Request::new(text("stuck"))).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap(), Some(text("0")));
    assert_eq!(seen.working(), 1);
    drop(stream);
    until("the work is dropped", || async { seen.working() == 0 }).await;
    until("it is counted", || async {
        value(&scrape(&running).await, &calls("Feed", "CANCELLED")) == Some(1.0)
    })
    .await;
    assert_eq!(value(&scrape(&running).await, "http_requests_in_flight"), Some(0.0));
}

#[tokio::test]
async fn a_stream_may_outlast_the_server_s_deadline_and_not_the_client_s() {
    let (running, seen) = start("[http]\nrequest_timeout = '300ms'\nbody_timeout = '300ms'").await;
    let mut client = client(&running);
    let (sender, receiver) = mpsc::channel(1);
    let talk = Request::new(ReceiverStream::new(receiver));
    let mut answers = client.talk(talk).await.unwrap().into_inner();
    for at in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        sender.send(text(at.to_string())).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().service, at.to_string());
    }
    drop(sender);
    assert_eq!(answers.message().await.unwrap(), None);
    // Sent by hand: tonic's client would give up by itself.
    let raw = hardening_service_tests::client::Http2::connect(running.addr).await;
    let fields = [("content-type", "application/grpc"), ("grpc-timeout", "700m")];
    let body = b"\0\0\0\0\x07\x0a\x05stuck".to_vec();
    let reply = raw.ask("POST", "/shop.v1.Prices/Feed", &fields, body).await;
    assert_eq!(reply.header("grpc-status"), None, "it began well");
    assert_eq!(seen.working(), 0, "its work is dropped");
    until("it is counted", || async {
        value(&scrape(&running).await, &calls("Feed", "DEADLINE_EXCEEDED")) == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn the_longest_timeout_that_can_be_written_is_no_fault() {
    let (running, seen) = start("").await;
    let raw = hardening_service_tests::client::Http2::connect(running.addr).await;
    let fields = [("content-type", "application/grpc"), ("grpc-timeout", "99999999H")];
    let mut answer =
        raw.open("POST", "/shop.v1.Prices/Feed", &fields, b"\0\0\0\0\x07\x0a\x05stuck".to_vec()).await;
    assert!(answer.body_mut().frame().await.unwrap().unwrap().is_data());
    until("it waits", || async { seen.working() == 1 }).await;
    drop(answer);
    until("it is counted", || async {
        value(&scrape(&running).await, &calls("Feed", "CANCELLED")) == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn each_message_of_a_stream_has_the_limit_and_all_together_have_none() {
    let (running, _) = start("[http]\nbody_limit = 1000").await;
    let mut client = client(&running);
    let (sender, receiver) = mpsc::channel(1);
    let mut answers = client.talk(Request::new(ReceiverStream::new(receiver))).await.unwrap().into_inner();
    for _ in 0..20 {
        sender.send(text("x".repeat(900))).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().service.len(), 900);
    }
    sender.send(text("x".repeat(1001))).await.unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "The message is larger than 1000 bytes.")
    );
}

/// What a call is told that sends so much and no more: its status and its message.
async fn told(running: &Running, begun: Bytes) -> (String, String) {
    let socket = TokioIo::new(TcpStream::connect(running.addr).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(connection);
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    sender.send(Ok(begun)).await.unwrap();
    let request = hyper::Request::post("http://test/shop.v1.Prices/Quote")
        .header("content-type", "application/grpc")
        .body(Body::from_stream(ReceiverStream::new(receiver)))
        .unwrap();
    let answer = tokio::time::timeout(PATIENCE, client.send_request(request)).await.unwrap().unwrap();
    let field = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    (field("grpc-status"), field("grpc-message"))
}

#[tokio::test]
async fn a_message_that_stops_half_way_is_given_up() {
    let (running, seen) = start("[http]\nbody_timeout = '300ms'\nrequest_timeout = '10s'").await;
    // The prefix says seven bytes.
    let (status, message) = told(&running, Bytes::from_static(b"\0\0\0\0\x07\x0a\x05st")).await;
    assert_eq!(status, "4");
    assert_eq!(message, "The%20message%20did%20not%20arrive%20in%20time.");
    assert_eq!(seen.working(), 0, "the handler was never asked");
}

#[tokio::test]
async fn messages_that_do_not_end_are_refused_beyond_the_bound_of_all() {
    let (running, seen) = start("[http]\nbody_memory = '256KiB'").await;
    let mut begun = b"\0\0\x0F\0\0".to_vec();
    begun.resize(600 << 10, 0x0a);
    let (status, message) = told(&running, begun.into()).await;
    assert_eq!(status, "14");
    assert_eq!(message, "Too%20much%20memory%20is%20held%20by%20messages%20that%20are%20not%20complete.");
    assert_eq!(seen.working(), 0, "the handler was never asked");
}

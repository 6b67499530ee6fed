//! Who says that a request is gRPC, and sends it to what is none of gRPC's services.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use hardening::{Setup, hardened_service};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::codegen::Bytes;
use tonic::codegen::tokio_stream::{StreamExt as _, iter};
use tonic::service::Routes;

use super::app::Dependencies;
use super::support::start;
use hardening_service_tests::client::{Client, Http2, PATIENCE, ask, request};
use hardening_service_tests::service::problem;

/// All that is taken for gRPC where there are services of it.
const KINDS: [&str; 5] = [
    "application/grpc",
    "application/grpc+json",
    "application/grpc+proto",
    "Application/GRPC;charset=utf-8",
    "application/grpc ;a=b",
];

#[tokio::test]
async fn a_content_type_of_grpc_lifts_no_limit_of_http() {
    let running = start("[http]\nbody_limit = 1000\nrate_limit = 'none'").await;
    let client = Http2::connect(running.addr).await;
    for kind in KINDS {
        let fields = [("content-type", kind)];
        let reply = client.ask("POST", "/echo", &fields, "x".repeat(1000)).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "1000"), "{kind}");
        for path in ["/echo", "/ignores", "/missing"] {
            problem(&client.ask("POST", path, &fields, "x".repeat(1001)).await, 413);
        }
        // What would be messages of gRPC, each within the limit.
        let messages = [&b"\0\0\0\0\x64"[..], &[7; 100]].concat().repeat(10);
        problem(&client.ask("POST", "/echo", &fields, messages).await, 413);
        let reply = ask(running.addr, request("POST", "/echo", &fields, &"x".repeat(1000))).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "1000"), "{kind} over HTTP/1");
        problem(&ask(running.addr, request("POST", "/echo", &fields, &"x".repeat(1001))).await, 413);
    }
}

/// Sends messages of 100 bytes that would come to 64 MiB; the answer, and how many bytes the server took before it.
async fn without_end(
    address: std::net::SocketAddr,
    path: &str,
    kind: &str,
) -> (axum::http::response::Parts, Bytes, usize) {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(connection);
    let sent = Arc::<AtomicUsize>::default();
    let message = Bytes::from([&b"\0\0\0\0\x64"[..], &[7; 100]].concat().repeat(100));
    let counted = Arc::clone(&sent);
    let body = StreamBody::new(iter(std::iter::repeat_n(message, 6400)).map(move |message| {
        counted.fetch_add(message.len(), Ordering::SeqCst);
        Ok::<_, Infallible>(Frame::data(message))
    }));
    let request = hyper::Request::post(format!("http://test{path}")).header("content-type", kind).body(body);
    let answer = timeout(PATIENCE, client.send_request(request.unwrap())).await.expect("in time").unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    (parts, body, sent.load(Ordering::SeqCst))
}

#[tokio::test]
async fn messages_without_an_end_are_cut_at_a_handler_of_http() {
    let running = start("[http]\nbody_limit = '1MiB'").await;
    for kind in KINDS {
        let (answer, _, sent) = without_end(running.addr, "/echo", kind).await;
        assert_eq!(answer.status, 413, "{kind}");
        assert!(sent < 4 << 20, "{kind}: {sent} bytes");
    }
}

/// A router of HTTP where the services of gRPC should be.
#[hardened_service(name = "disguised")]
async fn disguised(setup: &mut Setup) -> (Router, Routes) {
    setup.provide(Dependencies::default());
    let read = async |body: Body| match body.collect().await {
        Ok(body) => body.to_bytes().len().to_string(),
        Err(error) => panic!("{error}"),
    };
    let upload = Router::new().route("/upload", post(async |body: Bytes| body.len().to_string()));
    (Router::new(), Routes::from(upload.fallback(read)))
}

#[tokio::test]
async fn only_a_service_of_grpc_has_the_bounds_of_grpc() {
    let running = disguised().with_settings("[http]\nbody_limit = '1MiB'").start().await.unwrap();
    for path in ["/upload", "/shop.v1.None/Quote", "/"] {
        let (answer, _, sent) = without_end(running.addr, path, "application/grpc").await;
        let code = answer.headers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
        let expected = if path == "/upload" { "8" } else { "13" };
        assert_eq!((answer.status.as_u16(), code.as_deref()), (200, Some(expected)), "{path}");
        assert!(sent < 4 << 20, "{path}: {sent} bytes");
    }
    let client = Http2::connect(running.addr).await;
    let reply =
        client.ask("POST", "/upload", &[("content-type", "application/grpc")], vec![0; (1 << 20) + 1]).await;
    assert_eq!(
        reply.header("grpc-status"),
        Some("8"),
        "a length beyond the limit is refused before it comes"
    );
}

/// It is another protocol, which a layer of a handler may speak.
#[tokio::test]
async fn grpc_web_is_another_media_type_unless_a_route_speaks_it() {
    let (running, _) = super::grpc_app::start("[http]\nrate_limit = 'none'").await;
    let http2 = Http2::connect(running.addr).await;
    for kind in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "Application/gRPC-Web-Text+proto; charset=utf-8",
    ] {
        let fields = [("content-type", kind)];
        for path in ["/shop.v1.Prices/Quote", "/shop.v1.None/Quote"] {
            let old = ask(running.addr, request("POST", path, &fields, "x")).await;
            let new = http2.ask("POST", path, &fields, "x").await;
            for reply in [old, new] {
                problem(&reply, 415);
                assert_eq!(reply.header("accept"), Some("application/grpc"), "{kind} {path}");
            }
        }
        let spoken = http2.ask("POST", "/spoken", &fields, "x").await;
        assert_eq!((spoken.status, spoken.body.as_str()), (200, "1"), "{kind}");
    }
    problem(&http2.ask("POST", "/missing", &[("content-type", "application/grpcweb")], "x").await, 404);
    // Where there is no service of gRPC, it is a media type like any.
    let plain = start("").await;
    let fields = [("content-type", "application/grpc-web")];
    problem(&ask(plain.addr, request("POST", "/missing", &fields, "x")).await, 404);
}

/// What has no service of gRPC has no quarrel with its content type over HTTP/1 either.
#[tokio::test]
async fn without_services_of_grpc_its_content_type_is_one_like_any() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("POST", "/missing", &[("content-type", "application/grpc")], "x")).await;
    problem(&client.reply().await, 404);
    let client = Http2::connect(running.addr).await;
    problem(&client.ask("POST", "/missing", &[("content-type", "application/grpc")], "x").await, 404);
}

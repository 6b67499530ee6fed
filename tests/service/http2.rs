//! HTTP/2 without TLS, by prior knowledge.

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::support::start;

type Sender = hyper::client::conn::http2::SendRequest<Empty<axum::body::Bytes>>;

async fn connect(address: std::net::SocketAddr) -> Sender {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(
    sender: &mut Sender,
    path: &str,
    fields: &[(&str, String)],
) -> (u16, axum::http::HeaderMap, String) {
    let mut request = Request::get(format!("http://test{path}"));
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    let answer = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_same_defaults_hold() {
    let service = start("[http]\nrequest_timeout = '300ms'\n").await;
    let mut sender = connect(service.addr).await;
    let (status, headers, body) = get(&mut sender, "/around", &[("x-request-id", "h2".to_owned())]).await;
    assert_eq!((status, body.as_str()), (200, "h2 /around -"));
    assert_eq!(headers["x-frame-options"], "DENY");
    for (path, expected) in [("/nowhere", 404), ("/sleep/5000", 504), ("/panic", 500)] {
        let (status, headers, body) = get(&mut sender, path, &[]).await;
        assert_eq!(status, expected);
        assert_eq!(headers["content-type"], "application/problem+json");
        let id = headers["x-request-id"].to_str().unwrap();
        assert!(body.contains(id), "{body}");
    }
    let (status, ..) = get(&mut sender, &format!("/?{}", "x".repeat(9000)), &[]).await;
    assert_eq!(status, 414);
}

#[tokio::test]
async fn a_header_list_beyond_the_limit_is_refused() {
    let service = start("").await;
    let mut sender = connect(service.addr).await;
    let fields: Vec<(&str, String)> =
        ["x-a", "x-b", "x-c"].into_iter().map(|name| (name, "y".repeat(6_000))).collect();
    let (status, ..) = get(&mut sender, "/", &fields).await;
    assert_eq!(status, 431);
}

#[tokio::test]
async fn requests_of_one_connection_run_side_by_side() {
    let service = start("").await;
    let sender = connect(service.addr).await;
    let began = tokio::time::Instant::now();
    let all = (0..20).map(|_| {
        let mut sender = sender.clone();
        tokio::spawn(async move { get(&mut sender, "/sleep/200", &[]).await.0 })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
}

//! Limits of single routes.

use std::net::SocketAddr;
use std::time::Duration;

use hardening_service_tests::client::{self, Client, Reply, request};
use hardening_service_tests::service::problem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::support::start;

const MB: usize = 1 << 20;

async fn upload(address: SocketAddr, path: &str, bytes: usize) -> Reply {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {bytes}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    let mut client = Client::connect(address).await;
    client.send(head).await;
    let first = client.reply_to_head().await;
    if first.status != 100 {
        return first;
    }
    client.send(vec![b'x'; bytes]).await;
    client.reply().await
}

async fn chunked(address: SocketAddr, path: &str, bytes: usize) -> Reply {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let body = format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes));
    client::ask(address, format!("{head}{body}")).await
}

#[tokio::test]
async fn a_route_takes_larger_bodies_and_settings_win() {
    for (settings, most) in [("", 8 * MB), ("[route.'/upload/{id}']\nbody_limit = '4MiB'", 4 * MB)] {
        let (running, _) = start(settings).await;
        for (path, most) in [("/upload/7", most), ("/other", MB)] {
            let reply = chunked(running.addr, path, most).await;
            assert_eq!((reply.status, reply.body), (200, most.to_string()), "{path}");
            problem(&chunked(running.addr, path, most + 1).await, 413);
            assert_eq!(upload(running.addr, path, most + 1).await.status, 413, "before it comes");
        }
    }
}

#[tokio::test]
async fn a_route_has_more_time_or_less() {
    let (running, _) =
        start("[http]\nrequest_timeout = '1s'\n[route.'/hello']\nrequest_timeout = '1ms'").await;
    let reply = client::get(running.addr, "/poll").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "news"));
    problem(&client::get(running.addr, "/short").await, 504);
    // Clients lower it as ever.
    let lowered = client::get_with(running.addr, "/poll", &[("x-request-timeout-ms", "300")]).await;
    problem(&lowered, 504);
}

#[tokio::test]
async fn a_client_of_a_download_may_pause() {
    let (running, _) = start("[http]\nwrite_timeout = '500ms'").await;
    for (path, whole) in [("/download", true), ("/large", false)] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let mut stream = socket.connect(running.addr).await.unwrap();
        stream.write_all(request("GET", path, &[("connection", "close")], "").as_bytes()).await.unwrap();
        let mut some = vec![0; 1024];
        stream.read_exact(&mut some).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest).await;
        assert_eq!(read.is_ok() && rest.len() > 16 * MB - 1024, whole, "{path}: {read:?}");
    }
}

#[tokio::test]
async fn static_files_have_a_bucket_of_their_own() {
    let (running, _) = start("[http]\nrate_limit = '5/min'").await;
    let mut client = Client::connect(running.addr).await;
    for number in 0..120 {
        client.send(request("GET", &format!("/assets/{number}.css"), &[], "")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 200, "{number}");
        assert!(reply.header("ratelimit-policy").is_some_and(|policy| policy.contains("q=200")), "{reply:?}");
    }
    for number in 0..6 {
        client.send(request("GET", "/hello", &[], "")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, if number < 5 { 200 } else { 429 }, "{number}");
    }
    client.send(request("GET", "/assets/one.css", &[], "")).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_them_is_said_at_the_start() {
    for (settings, wanted) in [
        ("[route.'/upload/{id}']\nbody_limits = '1MiB'", "body_limit"),
        ("[route.'/uplaod/{id}']\nbody_limit = '1MiB'", "did you mean `/upload/{id}`?"),
        ("[route.'upload']\nbody_limit = '1MiB'", "write `/upload`"),
        ("[route.'/a/{b']\nbody_limit = '1MiB'", "/a/{b"),
        ("[route.'/hello']\nrate_limit = '1/1d'\nrate_limit_burst = 214000", "rate_limit_burst"),
    ] {
        let error = super::app::live().with_settings(settings).start().await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{settings}: {error}");
    }
}

#[tokio::test]
async fn a_deadline_longer_than_the_rest_of_the_shutdown_leaves_starts() {
    let (running, _) = start("[http]\nrequest_timeout = '60s'").await;
    assert_eq!(client::get(running.addr, "/hello").await.status, 200);
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn handlers_see_the_host_that_the_request_is_for() {
    let (running, _) = start("").await;
    for (target, host, seen) in [
        ("/host", "here:81", "here:81"),
        ("http://there:82/host", "here:81", "there:82"),
        ("http://there/host", "", "there"),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let reply = client::ask(running.addr, head).await;
        assert_eq!((reply.status, &*reply.body), (200, &*format!("[{seen:?}]")), "{target}");
    }
}

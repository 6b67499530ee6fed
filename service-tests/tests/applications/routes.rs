//! Limits of single routes.

use std::net::SocketAddr;
use std::time::Duration;

use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::{self, Client, Http2, Reply, request};
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

/// How many of so many requests for this path are answered so.
async fn answered(client: &mut Client, path: &str, status: u16, of: usize) -> usize {
    let mut answered = 0;
    for _ in 0..of {
        client.send(request("GET", path, &[], "")).await;
        answered += usize::from(client.reply().await.status == status);
    }
    answered
}

#[tokio::test]
async fn at_the_default_rates_a_page_of_many_files_is_served_however_they_are_mounted() {
    for path in ["/static/lib.rs", "/lib.rs", "/logo", "/embedded/a/b.css"] {
        let running = super::app::site().with_settings("[log]\naccess = false").start().await.unwrap();
        let mut client = Client::connect(running.addr).await;
        let mut files = 0;
        for _ in 0..12 {
            files += answered(&mut client, path, 200, 10).await;
            assert_eq!(answered(&mut client, "/api/hello", 200, 8).await, 8, "{path}");
        }
        assert_eq!(files, 120, "{path}");
        // The rate of the interface is what it was.
        assert_eq!(answered(&mut client, "/api/hello", 200, 10).await, 4, "{path}");
        assert_eq!(answered(&mut client, path, 200, 10).await, 10, "{path}");
        let fresh = [("if-none-match", "\"1\""), ("if-modified-since", "Fri, 31 Dec 2100 23:59:59 GMT")];
        for _ in 0..200 {
            client.send(request("GET", path, &fresh, "")).await;
            assert!(matches!(client.reply().await.status, 200 | 304), "{path}");
        }
    }
}

#[tokio::test]
async fn nobody_gains_from_the_bucket_for_files() {
    let start = || async {
        let settings = "[http]\nstatic_rate_limit = '500/min'\n[log]\naccess = false";
        let running = super::app::site().with_settings(settings).start().await.unwrap();
        (Client::connect(running.addr).await, running)
    };
    let (mut client, _running) = start().await;
    let served = answered(&mut client, "/static/lib.rs", 200, 2000).await;
    assert!((500..600).contains(&served), "{served}");
    // What is no file is charged as elsewhere, whether it is there or not, to both.
    for (path, status) in [("/static/none", 404), ("/none", 404), ("/inner/price", 200)] {
        let (mut client, _running) = start().await;
        let none = answered(&mut client, path, status, 300).await;
        assert!((100..115).contains(&none), "{path}: {none}");
        assert!(answered(&mut client, "/api/hello", 200, 50).await < 10, "{path}");
    }
    let (mut client, _running) = start().await;
    let mut posted = 0;
    for _ in 0..150 {
        client.send(request("POST", "/inner/price", &[], "")).await;
        posted += usize::from(client.reply().await.status == 405);
    }
    assert!((100..110).contains(&posted), "{posted}");
    assert_eq!(answered(&mut client, "/static/lib.rs", 200, 100).await, 100);
}

#[tokio::test]
async fn whoever_hangs_up_before_an_answer_had_no_file() {
    let running = super::app::site().with_settings("[log]\naccess = false").start().await.unwrap();
    let client = Http2::connect(running.addr).await;
    for _ in 0..100 {
        let answer = client.open("GET", "/inner/poll", &[], "");
        assert!(tokio::time::timeout(Duration::from_millis(2), answer).await.is_err(), "it is answered");
    }
    let mut client = Client::connect(running.addr).await;
    assert!(answered(&mut client, "/api/hello", 200, 50).await < 10);
}

/// Settings by which callers show a key, of which there is one.
fn with_a_key(files: &Authority) -> String {
    let digest = "813b6fcca49282a32f70680df3898d339a21c74c3393c32d2f65bd61cbe08856";
    let keys =
        files.file("callers.toml", &format!("[[key]]\nid = 'till'\nsha256 = '{digest}'\nscopes = []\n"));
    format!("[auth]\napi_keys = {keys:?}")
}

/// How many of so many wrong keys are looked at.
async fn guesses(client: &mut Client, path: &str, count: usize) -> usize {
    let mut guesses = 0;
    for number in 0..count {
        let key = format!("wrong-{number:0>40}");
        client.send(request("GET", path, &[("x-api-key", &key)], "")).await;
        guesses += usize::from(client.reply().await.status == 401);
    }
    guesses
}

#[tokio::test]
async fn credentials_are_not_guessed_where_files_are() {
    let files = Authority::new();
    let settings = format!("{}\npublic = ['/static/*']\n[log]\naccess = false", with_a_key(&files));
    let running = super::app::site().with_settings(&settings).start().await.unwrap();
    let mut client = Client::connect(running.addr).await;
    let guesses = guesses(&mut client, "/static/lib.rs", 200).await;
    assert!(guesses <= 11, "{guesses}");
    assert_eq!(answered(&mut client, "/static/lib.rs", 200, 120).await, 120);
}

#[tokio::test]
async fn credentials_are_not_guessed_where_a_route_has_a_limit_of_its_own_or_none() {
    let files = Authority::new();
    for rate in ["none", "10000/s"] {
        let settings = format!("{}\n[route.'/hello']\nrate_limit = '{rate}'", with_a_key(&files));
        let (running, _) = start(&settings).await;
        let mut client = Client::connect(running.addr).await;
        let guesses = guesses(&mut client, "/hello", 100).await;
        assert!(guesses <= 11, "{rate}: {guesses}");
    }
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

//! The listener under TLS.

use std::time::{Duration, SystemTime};

use hardening::StartError;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::app::shop;
use super::support::start;
use hardening_service_tests::certificates::{Authority, connect, now};
use hardening_service_tests::client::{Client, Http2, get, request};
use hardening_service_tests::service::{problem, scrape, secured, until, value};

#[tokio::test]
async fn both_versions_of_http_are_spoken_under_both_versions_of_tls() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let old = connect(running.addr, &authority.config(None, versions, &["http/1.1"])).await.unwrap();
        let mut old = Client::over(old);
        for _ in 0..3 {
            old.send(request("GET", "/hello", &[], "")).await;
            let reply = old.reply().await;
            secured(&reply);
            assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
            assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"));
        }
        let new =
            connect(running.addr, &authority.config(None, versions, &["h2", "http/1.1"])).await.unwrap();
        assert_eq!(new.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let new = Http2::over(new).await;
        assert_eq!(new.ask("GET", "/hello", &[], "").await.body, "hello");
        let body = vec![b'x'; 500_000];
        assert_eq!(new.ask("POST", "/echo", &[], body).await.body, "500000");
        assert!(new.ask("GET", "/large", &[], "").await.body.bytes().all(|byte| byte == b'x'));
    }
    assert_eq!(get(running.admin_addr, "/livez").await.status, 200, "the admin listener speaks plainly");
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, r#"tls_handshakes_total{result="done"}"#), Some(4.0));
    let expires = value(&metrics, "tls_certificate_expiry_seconds").unwrap();
    let now = now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((29.0..31.0).contains(&((expires - now) / 86400.0)), "{expires}");
}

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn the_protocol_that_was_agreed_on_is_the_one_that_is_spoken() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    let over = async |alpn: &[&str]| {
        let config = authority.config(None, &[&TLS13], alpn);
        Client::over(connect(running.addr, &config).await.unwrap())
    };
    let mut old = over(&["h2"]).await;
    old.sent(request("GET", "/hello", &[], "")).await;
    let rest = old.rest().await;
    assert!(!rest.contains("hello") && !rest.contains("HTTP/1.1"), "{rest:?}");
    let mut new = over(&["http/1.1"]).await;
    new.sent(PREFACE).await;
    problem(&new.reply().await, 505);
    assert_eq!(new.rest().await, "");
    // In pieces, it is the same.
    let mut new = over(&["http/1.1"]).await;
    new.sent(&PREFACE[..5]).await;
    sleep(Duration::from_millis(20)).await;
    new.sent(&PREFACE[5..]).await;
    problem(&new.reply().await, 505);
    let mut mixed = over(&["h2"]).await;
    mixed.sent(&PREFACE[..16]).await;
    sleep(Duration::from_millis(20)).await;
    mixed.sent("GET / HTTP/1.1\r\n\r\n").await;
    assert!(!mixed.rest().await.contains("HTTP/1.1"));
    // Where nothing was agreed on, either is known by its first bytes.
    let mut silent = over(&[]).await;
    silent.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(silent.reply().await.body, "hello");
    let config = authority.config(None, &[&TLS13], &[]);
    let http2 = Http2::over(connect(running.addr, &config).await.unwrap()).await;
    assert_eq!(http2.ask("GET", "/hello", &[], "").await.body, "hello");
    assert_eq!(get(running.admin_addr, "/livez").await.status, 200);
}

#[tokio::test]
async fn a_slow_reader_of_a_long_answer_gets_all_of_it_and_one_that_stops_is_cut() {
    let authority = Authority::new();
    let running =
        start(&format!("[http]\nwrite_timeout = '2s'\n{}", authority.install(&authority.server()))).await;
    let config = authority.plain_config();
    let mut slow = Client::over(connect(running.addr, &config).await.unwrap());
    slow.send(request("GET", "/large", &[], "")).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(slow.reply().await.status, 200);
    let mut stops = Client::over(connect(running.addr, &config).await.unwrap());
    stops.send(request("GET", "/large", &[("connection", "close")], "")).await;
    let in_flight = || async { value(&scrape(&running).await, "http_requests_in_flight") == Some(0.0) };
    until("the one that stopped is cut", in_flight).await;
}

#[tokio::test]
async fn what_is_no_http_is_told_so_under_tls_and_what_is_no_tls_is_cut() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    let mut garbage = Client::over(connect(running.addr, &authority.plain_config()).await.unwrap());
    garbage.send("GET / HTTP/9.9\r\n\r\n").await;
    problem(&garbage.reply().await, 400);
    assert_eq!(garbage.rest().await, "");
    let mut plain = Client::connect(running.addr).await;
    plain.send(request("GET", "/hello", &[], "")).await;
    assert!(!plain.rest().await.contains("HTTP/1.1 200"));
    let mut noise = Client::connect(running.addr).await;
    noise.send([0xFF_u8; 4096]).await;
    noise.rest().await;
    until("both are counted", || async {
        value(&scrape(&running).await, r#"tls_handshakes_total{result="failed"}"#) == Some(2.0)
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_stops_is_cut_and_keeps_nobody() {
    let authority = Authority::new();
    let settings = format!("{}handshake_timeout = '2s'\n", authority.install(&authority.server()));
    let running = start(&settings).await;
    let began = Instant::now();
    let mut idle: Vec<_> = Vec::new();
    for at in 0..100 {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        if at % 2 == 0 {
            // The head of a client's hello.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        }
        idle.push(stream);
    }
    let mut good = Client::over(connect(running.addr, &authority.plain_config()).await.unwrap());
    good.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(good.reply().await.status, 200);
    until("all of them are cut", || async {
        value(&scrape(&running).await, r#"tls_handshakes_total{result="timed_out"}"#) == Some(100.0)
    })
    .await;
    assert!(began.elapsed() >= Duration::from_secs(2));
    // One that begins when the service ends has no more than a moment.
    let _late = TcpStream::connect(running.addr).await.unwrap();
    let report = running.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
}

/// What keeps the shop from starting under these settings.
async fn refused(settings: &str) -> StartError {
    match shop().with_settings(settings).start().await {
        Ok(_) => panic!("it started with {settings}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn files_that_do_not_fit_stop_the_start_and_each_is_named() {
    let authority = Authority::new();
    let (one, other) = (authority.server(), authority.server());
    let hour = Duration::from_hours(1);
    let now = now();
    authority.install(&one);
    let path = |name: &str| authority.directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let others = authority.file("others.pem", &other.key);
    let empty = authority.file("empty.pem", "");
    let broken =
        authority.file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let over = authority.file("over.pem", &authority.server_within(now - 2 * hour, now - hour).certificate);
    let early = authority.file("early.pem", &authority.server_within(now + hour, now + 2 * hour).certificate);
    let settings = |certificate: &str, key: &str, rest: &str| {
        format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{rest}")
    };
    for (settings, named) in [
        (settings(&certificate, &others, ""), "this is not the key of the certificate"),
        (settings("/nowhere/at.pem", &key, ""), "[tls] certificate = \"/nowhere/at.pem\": No such file"),
        (settings(&certificate, "", ""), "[tls] key is missing"),
        (settings("", &key, ""), "[tls] certificate is missing"),
        (settings(&empty, &key, ""), "there is no `BEGIN CERTIFICATE` in it"),
        (settings(&certificate, &empty, ""), "there is no `BEGIN PRIVATE KEY` in it"),
        (settings(&broken, &key, ""), "[tls] certificate"),
        (settings(&over, &key, ""), "it has expired"),
        (settings(&early, &key, ""), "it is not valid yet"),
        (
            settings(&certificate, &key, "client_ca = '/nowhere/ca.pem'\n"),
            "[tls] client_ca = \"/nowhere/ca.pem\"",
        ),
        (settings(&certificate, &key, "client_auth = 'maybe'\n"), "`required` or `optional`"),
    ] {
        let error = refused(&settings).await.to_string();
        assert!(error.contains(named), "{error}\ninstead of {named}");
        assert!(!error.contains("PRIVATE KEY-----"), "{error}");
    }
    let both = refused(&settings("/nowhere/a.pem", "/nowhere/b.pem", "")).await;
    assert_eq!(both.problems().len(), 2, "{both}");
}

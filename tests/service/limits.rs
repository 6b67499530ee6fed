//! Sizes, times and rates of requests.

use std::time::Duration;

use super::support::{Answer, get, raw, read_all, send, start};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let service = start("").await;
    let fits = format!("/?{}", "x".repeat(8_000));
    assert_eq!(get(service.addr, &fits).await.status, 200);
    let long = format!("/?{}", "x".repeat(8_192));
    get(service.addr, &long).await.problem(414);
    let fields: Vec<String> = (0..20).map(|at| format!("x-{at}: {}", "y".repeat(900))).collect();
    send(service.addr, &format!("GET / HTTP/1.1\r\n{}", fields.join("\r\n")), "").await.problem(431);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_however_they_come() {
    let service = start("[http]\nbody_limit = '1KiB'\n").await;
    let fits = send(service.addr, "POST /echo HTTP/1.1", &"x".repeat(1024)).await;
    assert_eq!((fits.status, fits.body.len()), (200, 1024));
    // Refused by its declared length, before a byte of it was sent.
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1025\r\nconnection: close\r\n\r\n";
    Answer::parse(&raw(service.addr, head.as_bytes()).await).problem(413);
    let chunk = format!("200\r\n{}\r\n", "x".repeat(0x200));
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n"
    );
    Answer::parse(&raw(service.addr, chunked.as_bytes()).await).problem(413);
    // The extractor for JSON says the same.
    let json = format!(
        "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n"
    );
    Answer::parse(&raw(service.addr, json.as_bytes()).await).problem(413);
}

#[tokio::test]
async fn a_large_body_that_is_refused_does_not_cost_the_client_its_answer() {
    let service = start("[http]\nbody_limit = '1KiB'\n").await;
    let body = "x".repeat(300_000);
    send(service.addr, "POST /echo HTTP/1.1", &body).await.problem(413);
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_at_its_deadline() {
    let service = start("[http]\nbody_timeout = '300ms'\n").await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx").await.unwrap();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
            if began.elapsed() > Duration::from_millis(350) {
                return;
            }
        }
    };
    trickle.await;
    Answer::parse(&read_all(&mut stream).await).problem(408);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn each_client_has_a_rate_and_is_told_where_it_stands() {
    let service = start("[http]\nrate_limit = '5/min'\n").await;
    for left in (0..5).rev() {
        let answer = get(service.addr, "/").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"client\";q=5;w=60"));
        assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"client\";r={left};t=")));
    }
    let refused = get(service.addr, "/").await;
    refused.problem(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-ratelimit-limit"), Some("5"));
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(refused.header("x-ratelimit-reset"), refused.header("retry-after"));
    for _ in 0..10 {
        assert_eq!(get(service.addr, "/livez").await.status, 200, "probes are never limited");
        assert_eq!(get(service.admin_addr, "/metrics").await.status, 200, "nor are metrics");
    }
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_a_rate_each() {
    let service = start("[http]\nrate_limit = '1/min'\ntrusted_proxies = ['127.0.0.1']\n").await;
    let from = |ip: &'static str| async move {
        send(service.addr, &format!("GET / HTTP/1.1\r\nx-forwarded-for: {ip}"), "").await.status
    };
    assert_eq!([from("192.0.2.1").await, from("192.0.2.1").await, from("192.0.2.2").await], [200, 429, 200]);
    assert_eq!(
        [from("2001:db8::1").await, from("2001:db8::2").await, from("2001:db8:0:1::1").await],
        [200, 429, 200]
    );
}

#[tokio::test]
async fn behind_an_unknown_proxy_each_client_has_the_rate_and_none_evades_it() {
    let service = start("[http]\nrate_limit = '1/min'\nunlisted_proxy_rate_limit = '3/min'\n").await;
    let from = |ip: &'static str| async move {
        send(service.addr, &format!("GET / HTTP/1.1\r\nx-forwarded-for: {ip}"), "").await.status
    };
    assert_eq!([from("192.0.2.1").await, from("192.0.2.1").await, from("192.0.2.2").await], [200, 429, 200]);
    assert_eq!([from("192.0.2.3").await, from("192.0.2.4").await], [200, 429], "all of them together");
}

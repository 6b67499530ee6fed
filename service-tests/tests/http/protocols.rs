//! HTTP/2 on the same port, and bytes that are no HTTP at all.

use std::time::Duration;

use tokio::time::sleep;

use super::support::start;
use hardening_service_tests::client::{Client, Http2, ask, get, post_json, request};
use hardening_service_tests::service::{is_uuid_v7, problem, secured};

#[tokio::test]
async fn both_versions_are_answered_alike() {
    let running = start("").await;
    let http2 = Http2::connect(running.addr).await;
    let (old, new) = (get(running.addr, "/hello").await, http2.ask("GET", "/hello", &[], "").await);
    assert_eq!((old.status, &old.body), (new.status, &new.body));
    assert!(is_uuid_v7(&secured(&old)) && is_uuid_v7(&secured(&new)));
    let json = [("content-type", "application/json")];
    let order = r#"{"sku":"a","lines":[]}"#;
    let (old, new) =
        (post_json(running.addr, "/orders", order).await, http2.ask("POST", "/orders", &json, order).await);
    assert_eq!((old.status, &old.body), (201, &new.body));
    problem(&http2.ask("GET", "/missing", &[], "").await, 404);
    problem(&http2.ask("GET", "/panic", &[], "").await, 500);
    assert_eq!(http2.ask("GET", "/hello", &[], "").await.status, 200, "the connection lives on");
    let admin = Http2::connect(running.admin_addr).await;
    assert_eq!(admin.ask("GET", "/livez", &[], "").await.status, 200);
}

#[tokio::test]
async fn limits_hold_for_http2_with_the_same_answers() {
    let running = start(
        "[http]\nbody_limit = 10\nuri_limit = 100\nheader_limit = '1KiB'\nrequest_timeout = '200ms'\nrate_limit = 'none'",
    )
    .await;
    let http2 = Http2::connect(running.addr).await;
    problem(&http2.ask("POST", "/echo", &[], vec![b'x'; 11]).await, 413);
    problem(&http2.ask("GET", &format!("/{}", "x".repeat(100)), &[], "").await, 414);
    let long = "x".repeat(1500);
    problem(&http2.ask("GET", "/hello", &[("x-long", &long)], "").await, 431);
    problem(&http2.ask("GET", "/slow", &[], "").await, 504);
    let asked = [("x-request-timeout-ms", "x")];
    problem(&http2.ask("GET", "/slow", &asked, "").await, 400);
    assert_eq!(http2.ask("POST", "/echo", &[], vec![b'x'; 10]).await.body, "10");
}

#[tokio::test]
async fn a_head_of_any_size_that_a_client_sends_over_http2_is_refused_with_a_problem() {
    for limit in ["", "header_limit = '64KiB'"] {
        let running = start(&format!("[http]\nrate_limit = 'none'\n{limit}")).await;
        let http2 = Http2::connect(running.addr).await;
        // Around what the service takes and its parser reads, in one field and in many.
        for size in [20_000, 33_000, 40_000, 70_000] {
            let expected = if limit.is_empty() || size > 65_536 { 431 } else { 200 };
            let long = "v".repeat(size);
            let reply = http2.ask("GET", "/hello", &[("x-long", &long)], "").await;
            assert_eq!(reply.status, expected, "{limit} {size}");
            if expected == 431 {
                problem(&reply, 431);
                let many: Vec<String> = (0..size / 100).map(|at| format!("x-{at}")).collect();
                let value = "v".repeat(100);
                let many: Vec<_> = many.iter().map(|name| (name.as_str(), value.as_str())).collect();
                problem(&http2.ask("GET", "/hello", &many, "").await, 431);
            }
        }
        assert_eq!(http2.ask("GET", "/hello", &[], "").await.status, 200, "the connection lives on");
    }
}

#[tokio::test]
async fn an_http2_connection_outlives_the_time_for_heads() {
    let running = start("[http]\nheader_timeout = '100ms'").await;
    let http2 = Http2::connect(running.addr).await;
    sleep(Duration::from_millis(400)).await;
    assert_eq!(http2.ask("GET", "/hello", &[], "").await.status, 200);
}

/// The preface and empty settings of a client of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_preface_in_pieces_is_http2_and_its_connection_outlives_the_time_for_heads() {
    let running = start("[http]\nheader_timeout = '200ms'\nidle_timeout = '800ms'").await;
    let mut client = Client::connect(running.addr).await;
    for piece in [&PREFACE[..1], &PREFACE[1..7], &PREFACE[7..], SETTINGS] {
        client.send(piece).await;
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(400)).await;
    // A ping is answered by one that carries the same bytes.
    client.send(b"\0\0\x08\x06\0\0\0\0\0whoisit?").await;
    let rest = client.rest().await;
    assert!(rest.contains("whoisit?"), "{rest:?}");
    assert!(!rest.contains("HTTP/1.1"), "{rest:?}");
}

#[tokio::test]
async fn half_a_preface_is_cut_like_half_a_head() {
    let running = start("[http]\nheader_timeout = '200ms'\nidle_timeout = '1h'").await;
    for half in [&PREFACE[..3], &PREFACE[..16], b"PRI"] {
        let mut client = Client::connect(running.addr).await;
        client.send(half).await;
        client.rest().await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_get_a_problem_and_the_server_lives_on() {
    let running = start("").await;
    let hello_of_tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec();
    let with = |fields: &str| format!("POST /echo HTTP/1.1\r\nhost: x\r\n{fields}\r\n\r\nhello").into_bytes();
    for bytes in [
        b"rubbish\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /hello HTTP/9.9\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /hel lo HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"PRI * HTTP/1.1 please\r\n\r\n".to_vec(),
        b"PRINT\r\n\r\n".to_vec(),
        b"\0\x01\x02\x03\xff\xfe\r\n\r\n".to_vec(),
        hello_of_tls,
        with("a b: c"),
        with("no-colon"),
        with("content-length: five"),
        with("content-length: -5"),
        with("content-length: 5\r\ncontent-length: 6"),
        with("transfer-encoding: rubbish"),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        for address in [running.addr, running.admin_addr] {
            let mut client = Client::connect(address).await;
            client.send(&bytes).await;
            let reply = client.reply().await;
            assert_eq!(reply.status, 400, "{shown:?}: {reply:#?}");
            assert!(is_uuid_v7(problem(&reply, 400)["request_id"].as_str().expect("an id")));
            assert_eq!(client.rest().await, "", "{shown:?}: one answer and no more");
        }
    }
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn methods_that_nobody_knows_are_requests_like_others() {
    let running = start("").await;
    problem(&ask(running.addr, request("PRINT", "/hello", &[], "")).await, 405);
    problem(&ask(running.addr, request("BREW", "/missing", &[], "")).await, 404);
}

#[tokio::test]
async fn a_request_in_the_middle_of_which_the_client_leaves_harms_nobody() {
    let running = start("").await;
    for part in [
        "",
        "G",
        "GET /hello HT",
        "GET /hello HTTP/1.1\r\nhost",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
    ] {
        let mut client = Client::connect(running.addr).await;
        client.send(part).await;
        drop(client);
        assert_eq!(get(running.addr, "/hello").await.status, 200, "{part:?}");
    }
}

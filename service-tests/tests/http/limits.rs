//! Sizes.

use super::support::start;
use hardening_service_tests::client::{Client, ask, get, post_json, request};
use hardening_service_tests::service::{problem, scrape, value};

/// A body in chunks of these sizes.
fn chunked(path: &str, sizes: &[usize]) -> String {
    let mut text =
        request("POST", path, &[("transfer-encoding", "chunked"), ("content-type", "application/json")], "");
    for size in sizes {
        text.extend([&format!("{size:x}\r\n"), &"1".repeat(*size), "\r\n"]);
    }
    text + "0\r\n\r\n"
}

#[tokio::test]
async fn a_body_of_the_limit_passes_and_one_byte_more_is_413() {
    let running = start("[http]\nbody_limit = 1000").await;
    for sizes in [&[1000][..], &[999, 1], &[1; 1000]] {
        let reply = ask(running.addr, chunked("/echo", sizes)).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "1000"), "{} chunks", sizes.len());
    }
    for sizes in [&[1001][..], &[1000, 1], &[500, 500, 500]] {
        let told = problem(&ask(running.addr, chunked("/echo", sizes)).await, 413);
        assert_eq!(told["detail"], "The body is larger than 1000 bytes.");
        problem(&ask(running.addr, chunked("/orders", sizes)).await, 413);
    }
    let exact = request("POST", "/echo", &[], &"x".repeat(1000));
    assert_eq!(ask(running.addr, exact).await.body, "1000");
    for path in ["/echo", "/orders", "/ignores", "/missing"] {
        problem(&post_json(running.addr, path, &"1".repeat(1001)).await, 413);
    }
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_before_the_body_comes() {
    let running = start("").await;
    for length in ["1048577", "18446744073709551000"] {
        problem(&ask(running.addr, request("POST", "/echo", &[("content-length", length)], "")).await, 413);
    }
    let counted = "http_requests_total{method=\"POST\",route=\"/echo\",status=\"413\"}";
    assert_eq!(value(&scrape(&running).await, counted), Some(2.0), "under its route");
}

#[tokio::test]
async fn a_client_that_sends_far_too_much_still_reads_its_answer() {
    let running = start("[http]\nbody_limit = 1000").await;
    for text in [request("POST", "/echo", &[], &"x".repeat(3 << 20)), chunked("/echo", &[1 << 20; 3])] {
        let mut client = Client::connect(running.addr).await;
        // The server may close before all of it is sent.
        client.sent(text).await;
        problem(&client.reply().await, 413);
    }
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn the_limit_of_the_settings_is_the_only_one() {
    let running = start("[http]\nbody_limit = '4MiB'").await;
    let body = "x".repeat(3 << 20);
    let reply = ask(running.addr, request("POST", "/echo", &[], &body)).await;
    assert_eq!((reply.status, reply.body), (200, body.len().to_string()));
    let order = format!(r#"{{"sku":"{body}","lines":[]}}"#);
    assert_eq!(post_json(running.addr, "/orders", &order).await.status, 201);
}

#[tokio::test]
async fn a_path_beyond_its_limit_is_414() {
    let running = start("[http]\nuri_limit = 100\nrate_limit = 'none'").await;
    let path = |length: usize| format!("/hello?{}", "q".repeat(length - 7));
    assert_eq!(get(running.addr, &path(100)).await.status, 200);
    for length in [101, 1000, 8000, 20_000, 70_000, 1_000_000] {
        let mut client = Client::connect(running.addr).await;
        client.sent(request("GET", &path(length), &[], "")).await;
        problem(&client.reply().await, 414);
    }
}

#[tokio::test]
async fn header_fields_beyond_their_limit_are_431() {
    let running = start("[http]\nheader_limit = 1000\nrate_limit = 'none'").await;
    let with = |length: usize| request("GET", "/about", &[("x-long", &"v".repeat(length))], "");
    assert_eq!(ask(running.addr, with(900)).await.status, 200);
    for length in [1000, 10_000, 30_000, 1_000_000] {
        let mut client = Client::connect(running.addr).await;
        client.sent(with(length)).await;
        problem(&client.reply().await, 431);
    }
    // With `host` there are a hundred, the most that HTTP/1 may have.
    for count in [99, 100, 300, 5000] {
        let many = "a: b\r\n".repeat(count);
        let mut client = Client::connect(running.addr).await;
        client.sent(format!("GET /about HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
        let reply = client.reply().await;
        if count == 99 {
            // The handler finds the request's id among them.
            assert_eq!(reply.json()["fields"], 101);
        } else {
            problem(&reply, 431);
        }
    }
}

//! Request ids, and what the handler learns of its request.

use super::support::start;
use hardening_service_tests::client::{Client, Http2, ask, get, get_with, request};
use hardening_service_tests::service::{is_uuid_v7, problem, secured};

#[tokio::test]
async fn a_well_formed_id_is_kept_on_every_answer() {
    let running = start("").await;
    let longest = "x".repeat(128);
    for id in ["a", "01H-ab_C.d:9", &longest] {
        for (address, path) in [
            (running.addr, "/hello"),
            (running.addr, "/missing"),
            (running.addr, "/panic"),
            (running.addr, "/livez"),
            (running.addr, "/dressed"),
            (running.admin_addr, "/metrics"),
            (running.admin_addr, "/missing"),
            (running.admin_addr, "/readyz"),
        ] {
            let reply = get_with(address, path, &[("x-request-id", id)]).await;
            assert_eq!(reply.header("x-request-id"), Some(id), "{path}");
        }
    }
    let reply =
        Http2::connect(running.addr).await.ask("GET", "/hello", &[("x-request-id", "h2-1")], "").await;
    assert_eq!(reply.header("x-request-id"), Some("h2-1"));
}

#[tokio::test]
async fn a_malformed_or_missing_id_is_replaced_by_a_uuid_that_sorts_by_time() {
    let running = start("").await;
    let too_long = "x".repeat(129);
    let mut made = Vec::new();
    for id in ["two words", "a/b", "a\"b", "", "caf\u{e9}", "${jndi}", "<b>", too_long.as_str()] {
        let reply = get_with(running.addr, "/about", &[("x-request-id", id)]).await;
        let new = secured(&reply);
        assert!(is_uuid_v7(&new), "{id:?} became {new:?}");
        assert_eq!(reply.json()["id"], new, "the handler sees the same");
        made.push(new);
    }
    made.push(secured(&get(running.addr, "/hello").await));
    let times: Vec<&str> = made.iter().map(|id| &id[..13]).collect();
    assert!(times.is_sorted(), "{times:?}");
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), 9, "each request has its own");
}

#[tokio::test]
async fn the_handler_knows_its_request() {
    let running = start("").await;
    let fields = [("x-request-id", "id-1"), ("idempotency-key", "key-1")];
    let reply = get_with(running.addr, "/about", &fields).await.json();
    assert_eq!(reply["id"], "id-1");
    assert_eq!(reply["idempotency_key"], "key-1");
    assert_eq!(reply["route"], "/about");
    assert_eq!(reply["client"], "127.0.0.1");
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_pipelined_ones_in_order() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    for n in 0..20 {
        client.send(request("GET", &format!("/items/{n}"), &[], "")).await;
        assert_eq!(client.reply().await.body, n.to_string());
    }
    let all: String = (0..5).map(|n| request("GET", &format!("/items/{n}"), &[], "")).collect();
    client.send(all).await;
    for n in 0..5 {
        assert_eq!(client.reply().await.body, n.to_string());
    }
}

#[tokio::test]
async fn old_http_is_answered_and_its_connection_closed() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send("GET /hello HTTP/1.0\r\n\r\n").await;
    let reply = client.reply().await;
    secured(&reply);
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_leaves_the_connection_usable() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    for path in ["/hello", "/livez", "/missing"] {
        client.send(request("HEAD", path, &[], "")).await;
        secured(&client.reply_to_head().await);
    }
    client.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(client.reply().await.body, "hello");
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_will_be_read() {
    let running = start("[http]\nbody_limit = 10").await;
    let expect = ("expect", "100-continue");
    let mut client = Client::connect(running.addr).await;
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n").await;
    client.continued().await;
    client.send("12345").await;
    assert_eq!(client.reply().await.body, "5");
    let large = request("POST", "/echo", &[expect, ("content-length", "11")], "");
    let reply = ask(running.addr, large).await;
    assert_eq!((reply.status, reply.continued), (413, false));
}

#[tokio::test]
async fn a_refusal_before_the_body_has_come_says_that_the_connection_ends() {
    let running = start("http.rate_limit = '1/h'").await;
    assert_eq!(get(running.addr, "/hello").await.status, 200);
    let head = "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n";
    let mut client = Client::connect(running.addr).await;
    client.send(head).await;
    let reply = client.reply().await;
    problem(&reply, 429);
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(client.rest().await, "");
    // One whose body is there is answered again and again.
    let mut client = Client::connect(running.addr).await;
    for _ in 0..2 {
        client.send(format!("{head}body")).await;
        let reply = client.reply().await;
        problem(&reply, 429);
        assert_eq!(reply.header("connection"), None);
    }
}

//! What every answer carries, and what a handler sees of its request.

use super::support::{get, post_json, send, start};

#[tokio::test]
async fn security_headers_stand_on_every_answer_and_the_server_names_itself_nowhere() {
    let service = start("").await;
    for path in ["/", "/nowhere", "/panic", "/livez", "/items/x"] {
        let answer = get(service.addr, path).await;
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert_eq!(answer.header("server"), None, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn a_request_id_is_accepted_when_well_formed_and_else_made() {
    let service = start("").await;
    let kept =
        send(service.addr, "GET /around HTTP/1.1\r\nx-request-id: abc-1.2\r\nidempotency-key: k7", "").await;
    assert_eq!(kept.header("x-request-id"), Some("abc-1.2"));
    assert_eq!(kept.body, "abc-1.2 /around k7");
    for bad in ["two words", "\"quoted\"", &"x".repeat(200)] {
        let made = send(service.addr, &format!("GET /around HTTP/1.1\r\nx-request-id: {bad}"), "").await;
        let id = made.header("x-request-id").unwrap();
        assert_ne!(id, bad);
        assert_eq!((id.len(), &id[14..15]), (36, "7"), "a UUID version 7: {id}");
        assert!(made.body.starts_with(id));
    }
}

#[tokio::test]
async fn a_client_lowers_the_deadline_and_never_raises_it() {
    let service = start("[http]\nrequest_timeout = '400ms'\n").await;
    for (head, path, status) in [
        ("", "/sleep/10", 200),
        ("", "/sleep/5000", 504),
        ("x-request-timeout-ms: 50", "/sleep/5000", 504),
        ("x-request-timeout-ms: 0", "/sleep/0", 504),
        ("x-request-timeout-ms: -1", "/sleep/0", 400),
        ("x-request-timeout-ms: 60000", "/sleep/5000", 504),
        ("grpc-timeout: 50m", "/sleep/5000", 504),
        ("x-request-timeout-ms: soon", "/sleep/0", 400),
    ] {
        let began = tokio::time::Instant::now();
        let answer = send(service.addr, &format!("GET {path} HTTP/1.1\r\n{head}"), "").await;
        assert_eq!(answer.status, status, "{head} {path}");
        if status != 200 {
            answer.problem(status);
        }
        assert!(began.elapsed().as_millis() < 2500, "{head} {path}: {:?}", began.elapsed());
    }
    let left = |answer: super::support::Answer| answer.body.parse::<u64>().unwrap();
    let remaining = left(get(service.addr, "/remaining").await);
    assert!((200..=400).contains(&remaining), "{remaining}");
    let lowered = left(send(service.addr, "GET /remaining HTTP/1.1\r\nx-request-timeout-ms: 100", "").await);
    assert!(lowered <= 100, "{lowered}");
}

#[tokio::test]
async fn browsers_may_call_from_named_origins_alone() {
    let service = start("[http]\ncors_origins = ['https://shop.example']\n").await;
    let ask = |origin: &'static str| async move {
        let head =
            format!("OPTIONS /orders HTTP/1.1\r\norigin: {origin}\r\naccess-control-request-method: POST");
        send(service.addr, &head, "").await
    };
    let known = ask("https://shop.example").await;
    assert_eq!(known.status, 204);
    assert_eq!(known.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(known.header("access-control-allow-methods"), Some("POST"));
    let stranger = ask("https://evil.example").await;
    assert_eq!((stranger.status, stranger.header("access-control-allow-origin")), (405, None));
    let called = send(service.addr, "GET / HTTP/1.1\r\norigin: https://shop.example", "").await;
    assert_eq!(called.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(called.header("vary"), Some("origin"));
}

#[tokio::test]
async fn the_client_is_the_peer_unless_a_trusted_proxy_says_otherwise() {
    let forwarded = "GET /whoami HTTP/1.1\r\nx-forwarded-for: 6.6.6.6, 203.0.113.5";
    let closed = start("").await;
    assert_eq!(send(closed.addr, forwarded, "").await.body, "127.0.0.1");
    let behind = start("[http]\ntrusted_proxies = ['127.0.0.0/8']\n").await;
    assert_eq!(send(behind.addr, forwarded, "").await.body, "203.0.113.5");
    assert_eq!(get(behind.addr, "/whoami").await.body, "127.0.0.1");
}

#[tokio::test]
async fn head_answers_have_no_body_and_posts_pass_through() {
    let service = start("").await;
    let head = send(service.addr, "HEAD / HTTP/1.1", "").await;
    assert_eq!((head.status, head.body.as_str(), head.header("content-length")), (200, "", Some("5")));
    let placed = post_json(service.addr, "/orders", r#"{"sku":"a","quantity":3}"#).await;
    assert_eq!((placed.status, placed.body.as_str()), (201, r#"{"id":"a"}"#));
}

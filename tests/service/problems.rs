//! Bad input and failures: problem+json with the right status, and nothing of the internals.

use super::support::{Answer, get, post_json, raw, send, start};

#[tokio::test]
async fn json_bodies_are_refused_with_the_field_that_is_wrong() {
    let service = start("").await;
    for (body, status, field) in [
        (r#"{"sku":"a","quantity":0}"#, 422, Some("quantity")),
        (r#"{"sku":"a","quantity":-1}"#, 422, Some("quantity")),
        (r#"{"sku":"a","quantity":"many"}"#, 422, Some("quantity")),
        (r#"{"sku":"a"}"#, 422, Some("quantity")),
        (r#"{"sku":7,"quantity":1}"#, 422, Some("sku")),
        ("[]", 422, Some("sku")),
        ("{", 400, None),
        ("nonsense", 400, None),
    ] {
        let answer = post_json(service.addr, "/orders", body).await;
        let problem = answer.problem(status);
        match field {
            Some(field) if body != "[]" => {
                assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
            }
            _ => assert!(problem["errors"].is_null() || body == "[]", "{body}: {problem}"),
        }
    }
    let untyped = send(service.addr, "POST /orders HTTP/1.1", "{}").await;
    untyped.problem(415);
}

#[tokio::test]
async fn what_the_router_and_extractors_refuse_is_a_problem_too() {
    let service = start("").await;
    get(service.addr, "/nowhere").await.problem(404);
    let wrong_method = send(service.addr, "DELETE /orders HTTP/1.1", "").await;
    wrong_method.problem(405);
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    let path = get(service.addr, "/items/x").await.problem(400);
    assert!(path["detail"].as_str().unwrap().contains("Invalid URL"), "{path}");
    let query = get(service.addr, "/search").await.problem(400);
    assert!(query["detail"].as_str().unwrap().contains("missing field `q`"), "{query}");
}

#[tokio::test]
async fn failures_tell_nothing_of_the_internals() {
    let service = start("").await;
    let panicked = get(service.addr, "/panic").await;
    panicked.problem(500);
    assert!(!panicked.body.contains("secret"), "{panicked:?}");
    let leaking = get(service.addr, "/leak").await;
    leaking.problem(500);
    assert!(!leaking.body.contains("hunter2"), "{leaking:?}");
    assert_eq!(get(service.addr, "/").await.status, 200, "one panic is not the end");
}

#[tokio::test]
async fn a_refusal_of_a_policy_is_its_http_answer() {
    let service = start("").await;
    assert_eq!(get(service.addr, "/refused").await.status, 200);
    let refused = get(service.addr, "/refused").await;
    let problem = refused.problem(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
    assert!(!refused.body.contains("app::"), "the call's name is internal: {problem}");
}

#[tokio::test]
async fn what_is_no_http_is_answered_as_a_problem() {
    let service = start("").await;
    for (bytes, status) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {}\r\n\r\n", "x".repeat(100_000)), 431),
    ] {
        let answer = Answer::parse(&raw(service.addr, bytes.as_bytes()).await);
        answer.problem(status);
    }
}

#[tokio::test]
async fn an_answer_before_the_bad_request_still_arrives() {
    let service = start("").await;
    let text = raw(service.addr, b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGARBAGE\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("HTTP/1.1 400"), "{text}");
}

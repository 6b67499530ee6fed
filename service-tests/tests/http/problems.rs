//! Bad input, and handlers that fail: problem+json that says what the client can mend, and nothing else.

use serde_json::json;

use super::app::SECRET;
use super::support::start;
use hardening_service_tests::client::{Client, ask, get, post_json, request};
use hardening_service_tests::service::problem;

#[tokio::test]
async fn what_is_no_json_is_400() {
    let running = start("").await;
    for body in ["{", "{\"sku\": }", "nul", "{\"sku\":\"a\",\"lines\":[]} x", "\u{1}"] {
        let told = problem(&post_json(running.addr, "/orders", body).await, 400);
        assert_eq!(told["title"], "Malformed JSON", "{body}");
        assert_eq!(told["type"], "urn:hardening:problem:malformed-json");
    }
    let empty =
        request("POST", "/orders", &[("content-type", "application/json"), ("content-length", "0")], "");
    problem(&ask(running.addr, empty).await, 400);
}

#[tokio::test]
async fn another_content_type_is_415() {
    let running = start("").await;
    let body = r#"{"sku":"a","lines":[]}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""] {
        let told = problem(
            &ask(running.addr, request("POST", "/orders", &[("content-type", kind)], body)).await,
            415,
        );
        assert_eq!(told["detail"], "Send `content-type: application/json`.", "{kind}");
    }
    problem(&ask(running.addr, request("POST", "/orders", &[], body)).await, 415);
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.shop+json"] {
        let reply = ask(running.addr, request("POST", "/orders", &[("content-type", kind)], body)).await;
        assert_eq!(reply.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn json_of_another_shape_is_422_and_names_the_field() {
    let running = start("").await;
    for (body, field) in [
        (r#"{"lines":[]}"#, "sku"),
        (r#"{"sku":7,"lines":[]}"#, "sku"),
        (r#"{"sku":null,"lines":[]}"#, "sku"),
        (r#"{"sku":"a","lines":{}}"#, "lines"),
        (r#"{"sku":"a","lines":[],"color":"red"}"#, "color"),
        (r#"{"sku":"a","lines":[{"quantity":1},{"quantity":"two"}]}"#, "lines[1].quantity"),
        (r#"{"sku":"a","lines":[{"quantity":1},{}]}"#, "lines[1].quantity"),
        (r#"{"sku":"a","lines":[{"quantity":300}]}"#, "lines[0].quantity"),
        (r#"{"sku":"a","lines":[{"quantity":-1}]}"#, "lines[0].quantity"),
        (r#"{"sku":"a","lines":[{"quantity":1,"unit":"kg"}]}"#, "lines[0].unit"),
    ] {
        let told = problem(&post_json(running.addr, "/orders", body).await, 422);
        assert_eq!(told["title"], "Validation failed");
        assert_eq!(told["errors"][0]["field"], field, "{body}: {told}");
        let message = told["errors"][0]["message"].as_str().expect("a message");
        assert!(!message.is_empty() && !message.contains(" at line "), "{message}");
    }
    let told = problem(&post_json(running.addr, "/orders", "[]").await, 422);
    assert!(told["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{told}");
}

#[tokio::test]
async fn what_no_route_matches_is_404() {
    let running = start("").await;
    for path in
        ["/missing", "/hello/", "/hello/there", "/", "//hello", "/../etc/passwd", "/metrics", "/items/"]
    {
        let told = problem(&get(running.addr, path).await, 404);
        assert_eq!(told["title"], "Not Found", "{path}");
    }
    problem(&get(running.admin_addr, "/hello").await, 404);
}

#[tokio::test]
async fn another_method_is_405_and_told_which_ones_are_allowed() {
    let running = start("").await;
    for (address, method, path, allowed) in [
        (running.addr, "POST", "/hello", "GET,HEAD"),
        (running.addr, "GET", "/orders", "POST"),
        (running.addr, "PUT", "/items/1", "GET,HEAD,DELETE"),
        (running.addr, "POST", "/livez", "GET,HEAD"),
        (running.admin_addr, "POST", "/metrics", "GET,HEAD"),
        (running.admin_addr, "DELETE", "/readyz", "GET,HEAD"),
    ] {
        let reply = ask(address, request(method, path, &[], "")).await;
        problem(&reply, 405);
        let told: Vec<&str> = reply.header("allow").expect("allow").split(',').collect();
        let mut sorted = told.clone();
        sorted.sort_unstable();
        let mut expected: Vec<&str> = allowed.split(',').collect();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_path_parameter_of_another_form_is_400() {
    let running = start("").await;
    for path in ["/items/seven", "/items/-1", "/items/%FF", "/items/4294967296"] {
        let told = problem(&get(running.addr, path).await, 400);
        assert!(!told.to_string().contains("u32"), "{told}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_for_one_host_is_400() {
    let running = start("").await;
    for (hosts, detail) in [
        ("", "A `Host` header is missing."),
        ("host: a.example\r\nhost: b.example\r\n", "There is more than one `Host` header."),
        ("host: a.example/b\r\n", "The `Host` header is no host."),
    ] {
        let told = problem(&ask(running.addr, &format!("GET /hello HTTP/1.1\r\n{hosts}\r\n")).await, 400);
        assert_eq!(told["detail"], detail, "{hosts}");
    }
}

#[tokio::test]
async fn a_panic_is_500_without_its_text_and_the_server_lives_on() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    for _ in 0..3 {
        client.send(request("GET", "/panic", &[], "")).await;
        let reply = client.reply().await;
        let told = problem(&reply, 500);
        assert_eq!(told["title"], "Internal Server Error");
        assert!(!reply.body.contains(SECRET), "{reply:#?}");
    }
    client.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(client.reply().await.body, "hello", "even on the same connection");
}

#[tokio::test]
async fn a_panic_in_the_middle_of_an_answer_ends_that_connection_alone() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/panic/late", &[], "")).await;
    let got = client.rest().await;
    assert!(
        !got.contains(SECRET) && !got.ends_with("0\r\n\r\n"),
        "an answer that broke off looks whole: {got:?}"
    );
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn the_text_of_a_5xx_stays_inside_and_that_of_a_4xx_is_told() {
    let running = start("").await;
    for status in [500, 502, 503, 599] {
        let reply = get(running.addr, &format!("/fails/{status}")).await;
        if status < 599 {
            problem(&reply, status);
        }
        assert!(!reply.body.contains(SECRET), "{reply:#?}");
    }
    let told = problem(&get(running.addr, "/fails/409").await, 409);
    assert_eq!(told["detail"], json!(format!("it was {SECRET}")));
    let reply = get(running.addr, "/fails/long").await;
    problem(&reply, 500);
    assert!(!reply.body.contains(SECRET), "however long it is");
}

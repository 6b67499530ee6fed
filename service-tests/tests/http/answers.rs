//! What every answer carries: security headers, and nothing for browsers of other origins unless named.

use super::app::shop;
use super::support::start;
use hardening_service_tests::client::{Client, Reply, ask, get, get_with, request};
use hardening_service_tests::service::secured;

#[tokio::test]
async fn every_answer_is_secured_whatever_its_status() {
    let running =
        start("[http]\nbody_limit = 10\nuri_limit = 100\nheader_limit = 400\nrequest_timeout = '100ms'")
            .await;
    let long_path = format!("/{}", "x".repeat(100));
    let long_field = "x".repeat(400);
    for (status, text) in [
        (200, request("GET", "/hello", &[], "")),
        (400, request("GET", "/items/x", &[], "")),
        (400, request("GET", "/hello", &[("x-request-timeout-ms", "soon")], "")),
        (400, "GET /hello HTTP/1.1\r\n\r\n".to_owned()),
        (400, "rubbish\r\n\r\n".to_owned()),
        (404, request("GET", "/missing", &[], "")),
        (405, request("PUT", "/hello", &[], "")),
        (413, request("POST", "/echo", &[], "more than ten bytes")),
        (414, request("GET", &long_path, &[], "")),
        (415, request("POST", "/orders", &[], "{}")),
        (422, request("POST", "/orders", &[("content-type", "application/json")], "{}")),
        (431, request("GET", "/hello", &[("x-long", &long_field)], "")),
        (500, request("GET", "/panic", &[], "")),
        (503, request("GET", "/refused/circuit_open", &[], "")),
        (504, request("GET", "/slow", &[], "")),
    ] {
        let reply = ask(running.addr, &text).await;
        assert_eq!(reply.status, status, "{text:?}");
        secured(&reply);
    }
    for path in ["/metrics", "/livez", "/missing"] {
        secured(&get(running.admin_addr, path).await);
    }
}

#[tokio::test]
async fn a_head_that_comes_too_late_is_answered_with_the_same_fields() {
    let running = start("[http]\nheader_timeout = '100ms'").await;
    let mut client = Client::connect(running.addr).await;
    client.send("GET /hello HTTP/1.1\r\n").await;
    let reply = client.reply().await;
    secured(&reply);
    assert_eq!(reply.status, 408);
}

#[tokio::test]
async fn what_a_handler_sets_stays_but_for_the_server_and_the_id() {
    let running = start("").await;
    let reply = get(running.addr, "/dressed").await;
    assert_eq!(reply.header("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(reply.header("server"), None);
    assert_ne!(reply.header("x-request-id"), Some("mine"));
}

#[tokio::test]
async fn the_policy_for_content_is_a_setting_that_holds_for_unreadable_requests_too() {
    let running = start("[http]\ncsp = \"default-src 'self'\"").await;
    for text in [request("GET", "/hello", &[], ""), "rubbish\r\n\r\n".to_owned()] {
        let reply = ask(running.addr, text).await;
        assert_eq!(reply.header("content-security-policy"), Some("default-src 'self'"), "{reply:#?}");
    }
}

const FROM: (&str, &str) = ("origin", "https://shop.example");
const ASKS: (&str, &str) = ("access-control-request-method", "POST");

#[tokio::test]
async fn browsers_of_other_origins_get_no_leave_by_default() {
    let running = start("").await;
    for (method, path) in [("GET", "/hello"), ("OPTIONS", "/orders"), ("GET", "/missing")] {
        let reply = ask(running.addr, request(method, path, &[FROM, ASKS], "")).await;
        assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{reply:#?}");
        assert_ne!(reply.status, 204);
    }
}

#[tokio::test]
async fn named_origins_and_no_others_may_call() {
    let running = start("[http]\ncors_origins = ['https://shop.example']").await;
    let allowed = "access-control-allow-origin";
    for path in ["/hello", "/missing", "/panic"] {
        let reply = get_with(running.addr, path, &[FROM]).await;
        assert_eq!(reply.header(allowed), Some(FROM.1), "{path}");
        assert_eq!(reply.header("vary"), Some("origin"), "{path}");
        let reply = get_with(running.addr, path, &[("origin", "https://evil.example")]).await;
        assert_eq!(reply.header(allowed), None, "{path}");
        assert_eq!(reply.header("vary"), Some("origin"), "{path}");
    }
    let fields = [FROM, ASKS, ("access-control-request-headers", "content-type")];
    let reply = ask(running.addr, request("OPTIONS", "/orders", &fields, "")).await;
    secured(&reply);
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("content-type"));
    assert_eq!(reply.header("access-control-max-age"), Some("600"));
    assert_eq!(reply.header("access-control-allow-credentials"), None, "cookies are not asked for");
    let stranger = [("origin", "https://evil.example"), ASKS];
    let reply = ask(running.addr, request("OPTIONS", "/orders", &stranger, "")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-methods")), (405, None));
}

const EXPOSE: &str = "access-control-expose-headers";

/// The fields that a page of another origin may read, beside those that every page may.
fn exposed(reply: &Reply) -> Vec<&str> {
    let lists = reply.headers.iter().filter(|(name, _)| name == EXPOSE);
    lists.flat_map(|(_, list)| list.split(',').map(str::trim)).collect()
}

#[tokio::test]
async fn pages_of_named_origins_read_the_fields_of_the_service() {
    let running = start("[http]\nrate_limit = '6/h'\ncors_origins = ['https://shop.example']").await;
    let ours = [
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
        "location",
        "allow",
        "idempotent-replayed",
        "www-authenticate",
    ];
    for (path, status) in [("/hello", 200), ("/missing", 404), ("/hello", 429)] {
        let reply = get_with(running.addr, path, &[FROM]).await;
        assert_eq!((reply.status, exposed(&reply)), (status, ours.to_vec()), "{path}");
        for (name, _) in reply.headers.iter().filter(|(name, _)| name.contains("ratelimit")) {
            assert!(ours.contains(&name.as_str()), "{name}");
        }
        // Who may not read the answer is told of no fields, and a request of no page has no use for them.
        for fields in [&[("origin", "https://evil.example")][..], &[]] {
            assert_eq!(exposed(&get_with(running.addr, path, fields).await), Vec::<&str>::new(), "{path}");
        }
    }
    let reply = ask(running.addr, request("OPTIONS", "/orders", &[FROM, ASKS], "")).await;
    assert_eq!(exposed(&reply), Vec::<&str>::new(), "no page reads the answer to a preflight");
}

/// Why a service does not start under these settings.
async fn refused(settings: &str) -> String {
    match shop().with_settings(settings).start().await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn methods_and_fields_of_pages_are_settings() {
    let running = start(
        "[http]\ncors_origins = ['https://shop.example']\ncors_methods = ['PUT', 'DELETE']\n\
         cors_headers = ['Content-Type', 'x-csrf']",
    )
    .await;
    for method in ["PATCH", "PUT"] {
        let fields = [
            FROM,
            ("access-control-request-method", method),
            ("access-control-request-headers", "x-other, content-type"),
        ];
        let reply = ask(running.addr, request("OPTIONS", "/orders", &fields, "")).await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-methods"), Some("PUT, DELETE"), "{method}");
        assert_eq!(reply.header("access-control-allow-headers"), Some("content-type, x-csrf"), "{method}");
    }
    for wrong in ["cors_methods = ['put']", "cors_methods = ['*']", "cors_headers = ['x csrf']"] {
        let told = refused(&format!("[http]\n{wrong}")).await;
        assert!(told.contains(wrong.split(' ').next().unwrap()), "{wrong}: {told}");
    }
}

#[tokio::test]
async fn what_else_pages_may_do_is_a_setting() {
    let running = start(
        "[http]\ncors_origins = ['https://shop.example']\ncors_expose = ['X-Total', 'etag', 'Location']\n\
         cors_credentials = true\ncors_max_age = '2h'",
    )
    .await;
    let reply = get_with(running.addr, "/hello", &[FROM]).await;
    assert!(exposed(&reply).ends_with(&["x-total", "etag"]), "{reply:#?}");
    assert_eq!(exposed(&reply).iter().filter(|name| **name == "location").count(), 1);
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    let reply = get_with(running.addr, "/hello", &[("origin", "https://evil.example")]).await;
    assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{reply:#?}");
    let reply = ask(running.addr, request("OPTIONS", "/orders", &[FROM, ASKS], "")).await;
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(reply.header("access-control-max-age"), Some("7200"));
    // The handler's own fields are read as well.
    let reply = get_with(running.addr, "/exposes", &[FROM]).await;
    assert!(exposed(&reply).contains(&"x-mine") && exposed(&reply).contains(&"retry-after"), "{reply:#?}");
}

#[tokio::test]
async fn settings_that_open_the_service_to_every_page_or_to_none_are_refused() {
    let told = refused("[http]\ncors_origins = ['*']\ncors_credentials = true").await;
    assert!(told.contains("cors_credentials") && told.contains("name the origins"), "{told}");
    for origin in ["https://shop.example/", "shop.example", "https://Shop.example", "https://*.example"] {
        let told = refused(&format!("[http]\ncors_origins = ['{origin}']")).await;
        assert!(told.contains("cors_origins") && told.contains("https://shop.example"), "{origin}: {told}");
    }
    let told = refused("[http]\ncors_expose = ['x total']").await;
    assert!(told.contains("cors_expose"), "{told}");
    for origin in ["http://localhost:3000", "null", "https://[::1]:8443", "tauri://localhost"] {
        start(&format!("[http]\ncors_origins = ['{origin}']")).await;
    }
}

//! Heads of every odd form: each is answered, none is a fault of the service, and nobody becomes known by one.

use std::fmt::Write as _;

use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::ask as send;

use super::gate::{ask, entry, install, start};

const TILL: &str = "till-1c9a3e5b7d9f1a2b3c4d5e6f";

const FIELDS: [&str; 14] = [
    "authorization",
    "x-api-key",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
    "forwarded",
    "grpc-timeout",
    "x-request-timeout-ms",
    "x-request-id",
    "x-request-priority",
    "idempotency-key",
    "content-type",
    "origin",
    "access-control-request-method",
];
const PARTS: [&str; 34] = [
    "Bearer ",
    "ApiKey ",
    "Basic ",
    ".",
    "..",
    "eyJhbGciOiJub25lIn0",
    "eyJ",
    "e30",
    "00-",
    "ff-",
    "-01",
    "=",
    ",",
    ";",
    "\"",
    "[",
    "]",
    "::1",
    "127.0.0.1",
    "unknown",
    "99999999999999999999999",
    "-1",
    "0",
    "1e9",
    "S",
    "H",
    "n",
    "\t",
    " ",
    "%00",
    "\u{e9}",
    "{",
    "://",
    "@",
];
const PATHS: [&str; 18] = [
    "/me",
    "/me/",
    "//me",
    "/%6de",
    "/./me",
    "/x/../me",
    "/me?",
    "/me;a=b",
    "/ME",
    "/orders",
    "/items/%2e%2e",
    "/items/%ff",
    "/docs/../me",
    "/docs/%2e%2e/me",
    "/docs//",
    "*",
    "http://gate.example/me",
    "/livez/../me",
];

#[tokio::test]
async fn odd_heads_are_answered_and_make_nobody_known() {
    let files = Authority::new();
    let callers = install(&files, &entry("till", TILL, ""));
    let running = start(&format!(
        "{callers}required = true\npublic = ['/docs/*']\n[http]\nrate_limit = 'none'\ntrusted_proxies = ['127.0.0.1']"
    ))
    .await;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..600 {
        let method = ["GET", "PUT", "OPTIONS", "POST", "CONNECT", "TRACE", "PROPFIND"][random.usize(..7)];
        let path = PATHS[random.usize(..PATHS.len())];
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n");
        for _ in 0..random.usize(..5) {
            let value: String = (0..random.usize(..7)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            write!(head, "{}: {value}\r\n", FIELDS[random.usize(..FIELDS.len())]).unwrap();
        }
        head.push_str("\r\n");
        let reply = send(running.addr, head.as_bytes()).await;
        // 504 is a timeout of zero that the head itself asked for.
        assert!(reply.status < 500 || reply.status == 504, "{head}{reply:?}");
        let docs = path.starts_with("/docs");
        assert!(docs || !(200..300).contains(&reply.status), "{head}{reply:?}");
        assert_eq!(reply.status == 401, reply.header("www-authenticate").is_some(), "{head}{reply:?}");
    }
    assert_eq!(ask(&running, "/me", &[("x-api-key", TILL)]).await.status, 200);
}

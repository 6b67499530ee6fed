//! What clients send stays a text, wherever it is told again.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use hardening::{BoxError, Json, Problem, Setup, hardened_service};
use serde_json::Value;

use super::app::Dependencies;
use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client::{Client, Http2, ask, get, request};
use hardening_service_tests::service::problem;

const NAME: &str = "injection::child_main";

#[test]
fn child_main() {
    main_of(NAME, chatty);
}

/// A service that logs what it is sent, as it is.
#[hardened_service(name = "chatty")]
async fn chatty(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    let panics = async |body: String| -> () { panic!("{body}") };
    Router::new()
        .route("/say", post(say))
        .route("/panic", post(panics))
        .route("/orders", post(async |_: Json<Value>| "ordered"))
}

async fn say(body: Bytes) -> Problem {
    let body = String::from_utf8_lossy(&body).into_owned();
    tracing::warn!(said = %body, debug = ?body, name = body, "{body}");
    let error: BoxError = body.clone().into();
    tracing::error!(error = &*error, "refused");
    Problem::validation().detail(body.clone()).field(body.clone(), body)
}

/// What breaks out of a line, a text or an escape where nobody looks after it, as a path may hold it.
const PATHS: [&str; 7] = [
    "/forged%0A%7B%22message%22:%22forged%22,%22level%22:%22ERROR%22%7D",
    "/forged%0D%0Aserving%20listen=1.2.3.4:5%20admin=1.2.3.4:6",
    "/forged%1B[31mred%1B[0m",
    "/forged\"},{\"message\":\"forged",
    "/forged%E2%80%A8%C2%85%E2%80%AE",
    "/forged%FF%FE%00",
    "/forged%E2%80%8B%EF%BB%BF%F3%A0%81%A1",
];

/// The same in a body, which a handler logs.
const TEXTS: [&str; 7] = [
    "a\n{\"message\":\"forged\",\"level\":\"ERROR\"}",
    "a\r\nserving listen=1.2.3.4:5 admin=1.2.3.4:6",
    "a\u{1b}[31mred\u{1b}]0;title\u{7}",
    "a\"},{\"message\":\"forged",
    "a\u{85}\u{2028}\u{202e}\u{9b}31m\u{0}\u{7f}",
    "a\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2060}\u{2061}\u{2064}\u{2066}\u{2069}\u{feff}b",
    "a\u{e0001}\u{e0066}\u{e006f}\u{e0072}\u{e0067}\u{e0065}\u{e0064}\u{e007f}\u{ad}\u{61c}\u{206a}b",
];

/// Whether a character may act on a terminal or a reader, or is not seen at all.
fn is_raw(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Every byte that a field of HTTP/1 may hold and that means something to somebody.
const FIELD: &str = "a\t\"},{\"message\":\"forged\"} level=ERROR \u{1}\u{2028}\u{202e}\u{9b}31m";

#[tokio::test]
async fn what_clients_send_is_text_in_the_log_and_no_line_of_its_own() {
    for format in ["json", "pretty"] {
        let log = [("HARDENING_LOG__FORMAT", format), ("HARDENING_LOG__LEVEL", "debug")];
        let child = Child::start(NAME, &log).await;
        let mut asked = 0;
        for path in PATHS {
            for name in ["x-request-id", "user-agent", "traceparent", "x-forwarded-for", "referer"] {
                let field = FIELD.replace('\u{1}', "");
                let reply = ask(child.addr, request("GET", path, &[(name, &field)], "")).await;
                assert!(matches!(reply.status, 400 | 404), "{reply:?}");
                asked += 1;
            }
        }
        for text in TEXTS {
            let reply = ask(child.addr, request("POST", "/say", &[], text)).await;
            let members = problem(&reply, 422);
            let said = [&members["detail"], &members["errors"][0]["field"], &members["errors"][0]["message"]];
            assert_eq!(said, [text, text, text], "a text is a text");
            asked += 1;
        }
        ask(child.addr, request("POST", "/orders", &[("content-type", "application/json\u{1b}[31m")], "{}"))
            .await;
        child.terminate().await;
        let end = child.ended().await;
        assert!(end.said.contains("forged"), "{format}: the access log tells of them: {}", end.said);
        if let Some(line) = end.said.lines().find(|line| line.contains(is_raw)) {
            panic!("{format}: {line:?}");
        }
        if format == "json" {
            let lines = end.said.lines().filter(|line| !line.is_empty() && !line.starts_with("running "));
            for line in lines {
                let logged: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_ne!(logged["message"], "forged", "{line}");
            }
            assert!(end.log.len() >= asked, "{}", end.said);
        } else {
            let begins = |line: &str| {
                line.starts_with("forged") || line.starts_with("serving ") || line.starts_with('{')
            };
            assert!(!end.said.lines().any(begins), "{}", end.said);
        }
    }
}

#[tokio::test]
async fn what_is_no_request_fills_no_log() {
    let child = Child::start(NAME, &[]).await;
    for _ in 0..150 {
        assert_eq!(ask(child.addr, "GARBAGE\r\n\r\n").await.status, 400);
    }
    child.terminate().await;
    let end = child.ended().await;
    let lines = end.log.iter().filter(|line| line["message"] == "unreadable request").count();
    assert!((10..20).contains(&lines), "{lines} lines of 150");
}

#[tokio::test]
async fn what_a_client_sends_beyond_its_limit_fills_no_log() {
    let child = Child::start(NAME, &[("HARDENING_HTTP__RATE_LIMIT", "5/h")]).await;
    let long = format!("/{}", "x".repeat(4_000));
    for number in 0..500 {
        let status = get(child.addr, &long).await.status;
        assert_eq!(status, if number < 5 { 404 } else { 429 });
    }
    child.terminate().await;
    let end = child.ended().await;
    let refused: Vec<_> = end.log.iter().filter(|line| line["status"] == 429).collect();
    assert!((100..150).contains(&refused.len()), "{} lines of 495", refused.len());
    assert!(refused.iter().all(|line| line["path"].as_str().is_some_and(|path| path.len() <= 1024)));
}

#[tokio::test]
async fn what_no_limit_charges_writes_no_line() {
    let child = Child::start(NAME, &[("HARDENING_HTTP__CORS_ORIGINS", "https://a.example")]).await;
    let fields = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
    let http2 = Http2::connect(child.addr).await;
    for _ in 0..150 {
        assert_eq!(ask(child.addr, request("OPTIONS", "/say", &fields, "")).await.status, 204);
        assert_eq!(get(child.addr, "/livez").await.status, 200);
        let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
        http2.ask("POST", "/grpc.health.v1.Health/Check", &grpc, "\0\0\0\0\0").await;
    }
    child.terminate().await;
    let end = child.ended().await;
    let of = |method: &str| end.log.iter().filter(|line| line["method"] == method).count();
    assert_eq!((of("OPTIONS"), of("GET")), (0, 0), "{}", end.said);
    // Where no service of gRPC is registered, the call is a request as any other, and charged.
    let mut health = end.log.iter().filter(|line| line["path"] == "/grpc.health.v1.Health/Check");
    let answered = health.find(|line| line["status"] == 200);
    assert!(answered.is_none(), "{answered:?}");
}

#[tokio::test]
async fn a_panic_tells_what_clients_send_as_text_too() {
    for level in ["hardening_runtime::service::panics=off,info", "info"] {
        let child = Child::start(NAME, &[("HARDENING_LOG__LEVEL", level)]).await;
        for text in TEXTS {
            problem(&ask(child.addr, request("POST", "/panic", &[], text)).await, 500);
        }
        child.terminate().await;
        let end = child.ended().await;
        let told = if level.contains("off") { &end.complained } else { &end.said };
        assert!(told.contains("a\\u"), "{level}: {told}");
        for line in end.said.lines().chain(end.complained.lines()) {
            assert!(!line.contains(is_raw) && !line.starts_with("serving "), "{level}: {line:?}");
        }
    }
}

#[tokio::test]
async fn frames_of_which_a_library_warns_write_no_line() {
    let child = Child::start(NAME, &[]).await;
    let mut client = Client::connect(child.addr).await;
    // Acknowledges nothing that was asked, 17 bytes for each line.
    let ping = b"\0\0\x08\x06\x01\0\0\0\0unasked!".repeat(1000);
    // The preface with empty settings, and at last more acknowledged settings than there were, which ends the connection.
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let acknowledged = b"\0\0\0\x04\x01\0\0\0\0".repeat(2);
    client.send([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &ping, &acknowledged].concat()).await;
    client.rest().await;
    child.terminate().await;
    let end = child.ended().await;
    let of_library = |line: &&Value| line["target"].as_str().is_some_and(|target| target.starts_with("h2"));
    assert_eq!(end.log.iter().filter(of_library).count(), 0, "{}", &end.said[..1000.min(end.said.len())]);
}

#[tokio::test]
async fn nothing_that_clients_send_is_a_field_or_a_member_of_an_answer() {
    let running = super::support::start("http.rate_limit = 'none'").await;
    let usual: Vec<String> =
        get(running.addr, "/nowhere").await.headers.into_iter().map(|(name, _)| name).collect();
    for path in PATHS {
        for name in ["x-request-id", "traceparent", "origin", "accept", "access-control-request-headers"] {
            let field = FIELD.replace('\u{1}', "");
            let reply = ask(running.addr, request("GET", path, &[(name, &field)], "")).await;
            let names: Vec<String> = reply.headers.iter().map(|(name, _)| name.clone()).collect();
            assert!(names.iter().all(|name| usual.contains(name) || name == "connection"), "{reply:?}");
            let members = problem(&reply, reply.status);
            assert!(members.get("message").is_none() && members.get("level").is_none(), "{members}");
            assert!(!reply.body.contains("forged"), "{reply:?}");
        }
    }
    // What HTTP/2 could carry and HTTP/1 cannot.
    let http2 = Http2::connect(running.addr).await;
    let mut told = String::new();
    for path in PATHS {
        let path = path.replace('"', "%22");
        let _ = write!(told, "{:?}", http2.ask("GET", &path, &[], "").await.body);
    }
    assert!(!told.contains("forged"), "{told}");
}

//! Answers that shared caches must not keep.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use hardening::{Running, Setup, hardened_service};
use rustls::version::TLS13;

use super::app::Dependencies;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::client::{Client, Http2, Reply, ask, get_with, request};

#[hardened_service(name = "shelf")]
async fn shelf(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/public", get(async || ([("cache-control", "public, max-age=60")], "public")))
        .route("/never", get(async || ([("cache-control", "no-store")], "never")))
        .route("/login", get(async || ([("set-cookie", "sid=1; HttpOnly")], "welcome")))
        .route("/fails", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/none", get(async || (StatusCode::NOT_FOUND, [("cache-control", "max-age=60")], "none")))
        .route("/gone", get(async || (StatusCode::GONE, Json("gone"))))
        .route("/kept", get(async || (StatusCode::GONE, [("cache-control", "max-age=60")], Json("gone"))))
}

async fn start(settings: &str) -> Running {
    shelf().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"))
}

fn control(reply: &Reply) -> Option<&str> {
    reply.header("cache-control")
}

#[tokio::test]
async fn answers_to_credentials_are_for_their_client_alone() {
    let running = start("http.rate_limit = 'none'").await;
    let http2 = Http2::connect(running.addr).await;
    for (field, value) in [
        ("authorization", "Bearer a.b.c"),
        ("authorization", "Basic dTpw"),
        ("cookie", "sid=1"),
        ("Cookie", ""),
        ("x-api-key", "till-1c9a3e5b7d9f1a2b3c4d5e6f"),
        ("proxy-authorization", "Basic dTpw"),
    ] {
        for (path, expected) in [
            ("/plain", "private"),
            ("/fails", "no-store"),
            ("/missing", "no-store"),
            // What a handler says of its answers stays.
            ("/public", "public, max-age=60"),
            ("/never", "no-store"),
            ("/livez", "no-store"),
        ] {
            let reply = get_with(running.addr, path, &[(field, value)]).await;
            assert_eq!(control(&reply), Some(expected), "{field}: {value} {path}");
            let lower = field.to_ascii_lowercase();
            let reply = http2.ask("GET", path, &[(&lower, value)], "").await;
            assert_eq!(control(&reply), Some(expected), "{field}: {value} {path} over HTTP/2");
        }
    }
    // Answers to nobody in particular may be kept, but for one that makes a session.
    for (path, expected) in [("/plain", None), ("/missing", Some("no-store")), ("/login", Some("private"))] {
        let reply = get_with(running.addr, path, &[("accept", "text/plain")]).await;
        assert_eq!(control(&reply), expected, "{path}");
    }
}

/// Caches keep a 404, 405, 410, 414 and 501 for as long as they like unless they are told.
#[tokio::test]
async fn refusals_are_kept_by_nobody_unless_the_handler_says_so() {
    let running = start("[http]\nrate_limit = 'none'\nuri_limit = 100").await;
    let long = format!("/{}", "x".repeat(100));
    for (method, path, status, expected) in [
        ("GET", "/missing", 404, "no-store"),
        ("GET", "/fails", 500, "no-store"),
        ("POST", "/plain", 405, "no-store"),
        ("GET", "/gone", 410, "no-store"),
        ("GET", long.as_str(), 414, "no-store"),
        ("GET", "/none", 404, "max-age=60"),
        ("GET", "/kept", 410, "max-age=60"),
    ] {
        let reply = ask(running.addr, request(method, path, &[], "")).await;
        assert_eq!((reply.status, control(&reply)), (status, Some(expected)), "{method} {path}");
    }
    for bytes in ["rubbish\r\n\r\n".to_owned(), request("GET", "/plain", &[("x", &"x".repeat(99_000))], "")] {
        let mut client = Client::connect(running.addr).await;
        client.sent(bytes).await;
        assert_eq!(control(&client.reply().await), Some("no-store"));
    }
    let admin = get_with(running.admin_addr, "/missing", &[]).await;
    assert_eq!((admin.status, control(&admin)), (404, Some("no-store")));
}

#[tokio::test]
async fn refusals_of_credentials_are_not_kept_either() {
    let files = Authority::new();
    let callers = files.file("callers.toml", "");
    let settings = format!("[auth]\napi_keys = {callers:?}\n[http]\nrate_limit = '5/h'");
    let running = start(&settings).await;
    let wrong = [("x-api-key", "till-1c9a3e5b7d9f1a2b3c4d5e6f")];
    for status in [401, 429] {
        let reply = get_with(running.addr, "/plain", &wrong).await;
        assert_eq!((reply.status, control(&reply)), (status, Some("no-store")));
    }
}

#[tokio::test]
async fn answers_to_certificates_are_for_their_client_alone() {
    let authority = Authority::new();
    let roots = authority.file("clients.pem", &authority.pem());
    let settings = format!(
        "{}client_ca = {roots:?}\nclient_auth = 'optional'\n",
        authority.install(&authority.server())
    );
    let running = start(&settings).await;
    for (pair, expected) in [(Some(authority.client("till", &[])), Some("private")), (None, None)] {
        let config = authority.config(pair.as_ref(), &[&TLS13], &["http/1.1"]);
        let mut client = Client::over(connect(running.addr, &config).await.unwrap());
        client.send(request("GET", "/plain", &[], "")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, control(&reply)), (200, expected));
    }
}

//! Spans of servers, by the semantic conventions of OpenTelemetry.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use super::grpc_app::{client, quote};
use super::receiver::{Receiver, attributes};
use hardening_service_tests::client::{Http2, ask, request};

fn settings(receiver: &Receiver) -> String {
    format!(
        "[http]\nrate_limit = 'none'\n[telemetry]\notlp_endpoint = '{}'\nexport_every = '20ms'\n",
        receiver.url()
    )
}

/// The newest span once there are so many, its attributes and whether it is an error.
async fn nth(receiver: &Receiver, count: usize) -> (Span, BTreeMap<String, Value>, bool) {
    let span = receiver.spans(count).await.pop().expect("a span");
    let said = attributes(&span.attributes);
    let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
    (span, said, failed)
}

#[tokio::test]
async fn a_span_of_http_says_between_whom_it_went_and_over_what() {
    let receiver = Receiver::start(&[]).await;
    let running = super::support::start(&settings(&receiver)).await;
    let port = running.addr.port();
    let agent = ("user-agent", "curl/8.5.0");
    let text =
        request("GET", "/hello?q=1", &[agent], "").replace("host: localhost", "host: shop.example:8080");
    ask(running.addr, text).await;
    let (span, said, failed) = nth(&receiver, 1).await;
    assert_eq!((span.name.as_str(), failed), ("GET /hello", false));
    for (name, value) in [
        ("http.request.method", json!("GET")),
        ("http.route", json!("/hello")),
        ("http.response.status_code", json!(200)),
        ("url.path", json!("/hello")),
        ("url.scheme", json!("http")),
        ("server.address", json!("shop.example")),
        ("server.port", json!(8080)),
        ("client.address", json!("127.0.0.1")),
        ("network.peer.address", json!("127.0.0.1")),
        ("network.protocol.version", json!("1.1")),
        ("user_agent.original", json!("curl/8.5.0")),
    ] {
        assert_eq!(said.get(name), Some(&value), "{name}: {said:#?}");
    }
    assert!(said["network.peer.port"].as_i64().is_some_and(|peer| peer > 0 && peer != i64::from(port)));
    let ours = |name: &&String| name.starts_with("hardening.");
    assert_eq!(said.keys().filter(ours).collect::<Vec<_>>(), ["hardening.request_id"]);

    ask(running.addr, "GET /fails/500 HTTP/1.0\r\n\r\n").await;
    let (_, said, failed) = nth(&receiver, 2).await;
    assert_eq!(
        (&said["network.protocol.version"], &said["error.type"], failed),
        (&json!("1.0"), &json!("500"), true)
    );
    for absent in ["server.address", "server.port", "user_agent.original"] {
        assert!(!said.contains_key(absent), "{said:#?}");
    }
    Http2::connect(running.addr).await.ask("BREW", "/hello", &[], "").await;
    let (span, said, failed) = nth(&receiver, 3).await;
    assert_eq!((span.name.as_str(), failed), ("HTTP /hello", false));
    assert_eq!(
        (
            &said["network.protocol.version"],
            &said["http.request.method"],
            &said["http.request.method_original"]
        ),
        (&json!("2"), &json!("_OTHER"), &json!("BREW"))
    );
    assert_eq!(said.get("server.port"), Some(&json!(80)), "the usual one: {said:#?}");
}

#[tokio::test]
async fn a_span_of_grpc_is_named_by_its_method_and_failed_by_the_list() {
    let receiver = Receiver::start(&[]).await;
    let (running, _) = super::grpc_app::start(&settings(&receiver)).await;
    let mut client = client(&running);
    let mut sent = 0;
    for (script, code, error) in [
        ("a", "OK", false),
        ("missing", "NOT_FOUND", false),
        ("refused rate_limited", "RESOURCE_EXHAUSTED", false),
        ("refused unauthenticated", "UNAUTHENTICATED", false),
        ("refused circuit_open", "UNAVAILABLE", true),
        ("unimplemented", "UNIMPLEMENTED", true),
        ("timeout", "DEADLINE_EXCEEDED", true),
        ("panic", "INTERNAL", true),
    ] {
        let _ = quote(&mut client, script).await;
        sent += 1;
        let (span, said, failed) = nth(&receiver, sent).await;
        assert_eq!((span.name.as_str(), failed), ("shop.v1.Prices/Quote", error), "{script}: {said:#?}");
        assert_eq!(said["rpc.method"], "shop.v1.Prices/Quote");
        assert_eq!(
            (&said["rpc.system.name"], &said["rpc.status_code"]),
            (&json!("grpc"), &json!(code)),
            "{script}"
        );
        assert_eq!(said.get("error.type"), error.then(|| json!(code)).as_ref(), "{script}");
        assert_eq!(
            (&said["server.address"], &said["network.protocol.version"]),
            (&json!("127.0.0.1"), &json!("2"))
        );
        assert_eq!(said["server.port"], i64::from(running.addr.port()));
        assert!(said["user_agent.original"].as_str().is_some_and(|agent| agent.starts_with("tonic/")));
        assert!(
            !said.keys().any(|name| name.starts_with("http.") || name.starts_with("rpc.grpc.")),
            "{said:#?}"
        );
    }
    let http2 = Http2::connect(running.addr).await;
    for path in ["shop.v1.Prices/None", "shop.v1.None/Quote"] {
        http2.ask("POST", &format!("/{path}"), &[("content-type", "application/grpc")], "").await;
        sent += 1;
        let (span, said, failed) = nth(&receiver, sent).await;
        assert_eq!((span.name.as_str(), failed), ("grpc", true), "whoever calls chooses no name of a span");
        assert_eq!((&said["rpc.method"], &said["rpc.method_original"]), (&json!("_OTHER"), &json!(path)));
        assert_eq!(said["rpc.status_code"], "UNIMPLEMENTED");
    }
}

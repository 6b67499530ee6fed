//! Who may call over gRPC: the same gate, and refusals that are statuses.

use hardening_service_tests::certificates::Authority;
use hardening_service_tests::prices::{PricesClient, text};
use tonic::{Code, Request, Status};

use super::super::grpc_app::{self, channel};
use super::gate::{count, entry, install};
use hardening_service_tests::client::{Http2, get};

const TILL: &str = "till-1c9a3e5b7d9f1a2b3c4d5e6f";
const GRPC: (&str, &str) = ("content-type", "application/grpc");

async fn quote(running: &hardening::Running, key: Option<&'static str>) -> Result<String, Status> {
    let mut request = Request::new(text("hello"));
    if let Some(key) = key {
        request.metadata_mut().insert("x-api-key", key.parse().unwrap());
    }
    let answer = PricesClient::new(channel(running.addr)).quote(request).await;
    answer.map(|answer| answer.into_inner().service)
}

#[tokio::test]
async fn where_callers_must_be_known_a_call_of_grpc_is_no_way_around() {
    let files = Authority::new();
    let settings =
        format!("{}required = true\n[http]\nrate_limit = 'none'", install(&files, &entry("till", TILL, "")));
    let (running, _) = grpc_app::start(&settings).await;
    let status = quote(&running, None).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    let status = quote(&running, Some("wrong-1c9a3e5b7d9f1a2b3c4d5e6f")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert_eq!(quote(&running, Some(TILL)).await.unwrap(), "hello");
    assert_eq!(get(running.addr, "/hello").await.status, 401);
    // What is not there is told to nobody unknown either; health is.
    let client = Http2::connect(running.addr).await;
    for (path, code) in [
        ("/shop.v1.Prices/None", "16"),
        ("/shop.v1.None/Quote", "16"),
        ("/shop.v1.Prices/Quote/", "16"),
        ("/shop.v1.Prices/%51uote", "16"),
        ("//shop.v1.Prices/Quote", "16"),
        ("/hello", "16"),
    ] {
        for method in ["POST", "GET", "OPTIONS"] {
            let reply = client.ask(method, path, &[GRPC], "").await;
            assert_eq!(reply.header("grpc-status"), Some(code), "{method} {path}");
        }
    }
    assert!(count(&running, "none", "missing").await > 15);
}

#[tokio::test]
async fn methods_that_anybody_may_call_are_named_by_their_paths() {
    let files = Authority::new();
    let callers = install(&files, &entry("till", TILL, ""));
    for (public, open) in [
        ("/shop.v1.Prices/Quote", true),
        ("/shop.v1.Prices/*", true),
        ("/shop.v1.Prices/Watch", false),
        ("/hello", false),
    ] {
        let settings = format!("{callers}required = true\npublic = [{public:?}]");
        let (running, _) = grpc_app::start(&settings).await;
        let answer = quote(&running, None).await;
        assert_eq!(answer.is_ok(), open, "{public}: {answer:?}");
    }
}

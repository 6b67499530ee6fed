//! gRPC beside HTTP on one port: a real client, and what it is told when it is refused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hardening::layer::grpc_code;
use tokio::time::Instant;
use tonic::{Code, Request};

use super::grpc_app::{SECRET, alone, channel, client, quote, refusals, start};
use hardening_service_tests::client::{Http2, get, request};
use hardening_service_tests::prices::{PricesClient, text};
use hardening_service_tests::service::{
    comes_again, is_uuid_v7, problem, ready, scrape, secured, until, value,
};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

fn calls(method: &str, code: &str) -> String {
    format!("grpc_requests_total{{service=\"shop.v1.Prices\",method=\"{method}\",code=\"{code}\"}}")
}

#[tokio::test]
async fn both_protocols_are_answered_at_once_on_one_port() {
    let (running, _) = start("[http]\nrate_limit = 'none'").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (mut client, address) = (client(&running), running.addr);
        tasks.spawn(async move {
            for at in 0..50 {
                assert_eq!(quote(&mut client, &at.to_string()).await.unwrap(), at.to_string());
            }
        });
        tasks.spawn(async move {
            for _ in 0..50 {
                let reply = get(address, "/hello").await;
                secured(&reply);
                assert_eq!(reply.body, "hello");
            }
        });
    }
    tasks.join_all().await;
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, &calls("Quote", "OK")), Some(200.0));
    let http = r#"http_requests_total{method="POST",route="/shop.v1.Prices/Quote",status="200"}"#;
    assert_eq!(value(&metrics, http), Some(200.0));
    assert_eq!(
        value(&metrics, r#"http_requests_total{method="GET",route="/hello",status="200"}"#),
        Some(200.0)
    );
    assert_eq!(value(&metrics, "http_requests_in_flight"), Some(0.0));
}

#[tokio::test]
async fn a_service_may_be_grpc_alone() {
    let running = alone().start().await.unwrap();
    assert_eq!(quote(&mut client(&running), "a").await.unwrap(), "a");
    problem(&get(running.addr, "/shop.v1.Prices/Quote").await, 404);
}

#[tokio::test]
async fn the_handler_knows_its_request_and_the_answer_carries_its_id() {
    let (running, _) = start("").await;
    let mut client = client(&running);
    let answer = client.quote(Request::new(text("about"))).await.unwrap();
    let id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert!(is_uuid_v7(&id), "{id}");
    assert!(answer.metadata().get("ratelimit-policy").is_some());
    for browsers in ["content-security-policy", "x-frame-options"] {
        assert!(answer.metadata().get(browsers).is_none(), "{browsers}");
    }
    assert_eq!(answer.into_inner().service, format!("/shop.v1.Prices/Quote {id}"));
    let mut request = Request::new(text("missing"));
    request.metadata_mut().insert("x-request-id", "r-7".parse().unwrap());
    let status = client.quote(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no such price"));
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "r-7");
}

#[tokio::test]
async fn every_refusal_is_its_status_and_tells_no_name() {
    let (running, _) = start("").await;
    let mut client = client(&running);
    for refusal in refusals() {
        let kind = refusal.kind();
        let status = quote(&mut client, &format!("refused {kind}")).await.unwrap_err();
        assert_eq!(status.code() as u8, grpc_code(&refusal), "{kind}");
        assert!(!status.message().is_empty() && !status.message().contains(SECRET), "{status:?}");
        let told = status.metadata().get("grpc-retry-pushback-ms").map(|told| told.to_str().unwrap());
        let waits = refusal.retry_after();
        match waits {
            Some(due) => comes_again(told, due.as_millis() as u64, 8000),
            None => assert_eq!(told, None, "{kind}"),
        }
        let info = b"type.googleapis.com/google.rpc.RetryInfo";
        let detailed = status.details().windows(info.len()).any(|part| part == info);
        assert_eq!(detailed, waits.is_some(), "{kind}");
    }
}

#[tokio::test]
async fn attributes_hold_on_the_handlers_of_a_service_and_on_what_they_call() {
    let (running, seen) = start("").await;
    let mut client = client(&running);
    let told = |status: tonic::Status| status.code();
    // Calls are counted for the whole process, so other tests' are among them.
    let cancelled = r#"hardening_calls_total{call="prices.quote",outcome="cancelled"}"#;
    let before = value(&scrape(&running).await, cancelled).unwrap();
    assert_eq!(quote(&mut client, "timeout").await.map_err(told), Err(Code::DeadlineExceeded));
    assert_eq!(quote(&mut client, "limited").await.map_err(told), Ok("admitted".to_owned()));
    assert_eq!(quote(&mut client, "limited").await.map_err(told), Err(Code::ResourceExhausted));
    assert_eq!(quote(&mut client, "retried").await.map_err(told), Ok("run 3".to_owned()));
    let mut other = client.clone();
    let inside = tokio::spawn(async move { quote(&mut other, "narrow").await });
    until("inside", || async { seen.working() == 1 }).await;
    assert_eq!(quote(&mut client, "narrow").await.map_err(told), Err(Code::Unavailable));
    inside.abort();
    until("its place is free, its work is dropped", || async { seen.working() == 0 }).await;
    let metrics = scrape(&running).await;
    assert!(value(&metrics, cancelled) > Some(before), "{metrics}");
    assert_eq!(value(&metrics, &calls("Quote", "CANCELLED")), Some(1.0), "{metrics}");
    assert_eq!(seen.runs.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_the_server_refuses_is_a_status() {
    let (running, _) = start("[http]\nrate_limit = '7/h'\nbody_limit = 1000\nheader_limit = 2000").await;
    let mut client = client(&running);
    let status = quote(&mut client, "panic").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains(SECRET), "{status:?}");
    let status = quote(&mut client, &"x".repeat(1001)).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "The message is larger than 1000 bytes.")
    );
    let mut large = Request::new(text(""));
    large.metadata_mut().insert("x-large", "x".repeat(2000).parse().unwrap());
    let status = client.quote(large).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    for size in [40_000, 70_000] {
        let mut larger = Request::new(text(""));
        larger.metadata_mut().insert("x-large", "x".repeat(size).parse().unwrap());
        let status = client.quote(larger).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{size}: {status:?}");
        assert_eq!(status.message(), "The header fields are larger than 2000 bytes.", "{size}");
    }
    let mut soon = Request::new(text(""));
    soon.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    let status = client.quote(soon).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::InvalidArgument,
            "`grpc-timeout` is not a timeout: at most eight digits and one of `H`, `M`, `S`, `m`, `u` and `n`."
        )
    );
    assert_eq!(quote(&mut client, "fits").await.unwrap(), "fits");
    let status = quote(&mut client, "one too many").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait: u64 =
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=720_000 + 720_000 / 5).contains(&wait), "{wait}");
    assert!(!status.details().is_empty() && status.metadata().contains_key("x-request-id"));
}

#[tokio::test]
async fn refusals_are_trailers_in_the_head_and_never_problems() {
    let (running, _) = start("").await;
    let client = Http2::connect(running.addr).await;
    for (path, fields, code) in [
        ("/shop.v1.Prices/Quote", vec![GRPC, ("grpc-timeout", "0m")], "4"),
        ("/shop.v1.Prices/Quote", vec![GRPC, ("x-request-timeout-ms", "0")], "4"),
        ("/shop.v1.Prices/Quote", vec![GRPC, ("x-request-timeout-ms", "-1")], "3"),
        ("/shop.v1.Prices/None", vec![GRPC], "12"),
        ("/shop.v1.None/Quote", vec![GRPC], "12"),
        ("/hello", vec![GRPC], "12"),
        ("/livez", vec![GRPC], "12"),
    ] {
        let reply = client.ask("POST", path, &fields, "").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{path}");
        assert_eq!(reply.header("content-type"), Some("application/grpc"), "{path}");
        assert_eq!(reply.header("grpc-status"), Some(code), "{path} {fields:?} {reply:#?}");
        assert!(reply.header("x-request-id").is_some_and(is_uuid_v7), "{path}");
    }
}

#[tokio::test]
async fn only_methods_that_there_are_have_counts_of_their_own() {
    let (running, _) = start("[http]\nrate_limit = 'none'").await;
    let client = Http2::connect(running.addr).await;
    for at in 0..300 {
        for service in ["shop.v1.Prices", "shop.v1.None"] {
            let reply = client.ask("POST", &format!("/{service}/M{at}"), &[GRPC], "").await;
            assert_eq!(reply.header("grpc-status"), Some("12"));
        }
    }
    let mut client = super::grpc_app::client(&running);
    assert_eq!(quote(&mut client, "unimplemented").await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(quote(&mut client, "panic").await.unwrap_err().code(), Code::Internal);
    assert_eq!(quote(&mut client, "unimplemented").await.unwrap_err().code(), Code::Unimplemented);
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, &calls("other", "UNIMPLEMENTED")), Some(301.0), "{metrics}");
    assert_eq!(value(&metrics, &calls("Quote", "INTERNAL")), Some(1.0));
    assert_eq!(value(&metrics, &calls("Quote", "UNIMPLEMENTED")), Some(1.0), "once there is one");
    let unmatched = r#"grpc_requests_total{service="unmatched",method="unmatched",code="UNIMPLEMENTED"}"#;
    assert_eq!(value(&metrics, unmatched), Some(300.0));
    assert!(!metrics.contains("M7"), "{metrics}");
}

#[tokio::test]
async fn clients_lower_the_deadline_and_never_raise_it() {
    let (running, seen) = start("[http]\nrequest_timeout = '2s'").await;
    let mut client = client(&running);
    let mut left = async |timeout: Option<Duration>| {
        let mut request = Request::new(text("left"));
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        client.quote(request).await.unwrap().into_inner().service.parse::<u64>().unwrap()
    };
    assert!((500..=2000).contains(&left(None).await));
    assert!((500..=2000).contains(&left(Some(Duration::from_mins(1))).await));
    assert!((100..=1500).contains(&left(Some(Duration::from_millis(1500))).await));
    let began = Instant::now();
    let status = quote(&mut client, "stuck").await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(seen.working(), 0, "the handler's work is dropped");
    // Sent by hand: tonic's client would give up by itself.
    let raw = Http2::connect(running.addr).await;
    let began = Instant::now();
    let body = b"\0\0\0\0\x07\x0a\x05stuck".to_vec();
    let reply = raw.ask("POST", "/shop.v1.Prices/Quote", &[GRPC, ("grpc-timeout", "100m")], body).await;
    assert_eq!(reply.header("grpc-status"), Some("4"));
    assert!(began.elapsed() < Duration::from_secs(2), "not the server's");
}

#[tokio::test]
async fn grpc_over_http1_is_told_what_it_needs() {
    let (running, _) = start("").await;
    for address in [running.addr, running.admin_addr] {
        let asked = request("POST", "/shop.v1.Prices/Quote", &[GRPC], "x");
        let reply = hardening_service_tests::client::ask(address, asked).await;
        let told = problem(&reply, 505);
        assert!(told["detail"].as_str().unwrap().contains("gRPC needs HTTP/2"), "{told}");
    }
}

#[tokio::test]
async fn grpc_over_http1_is_limited_like_every_request_whatever_it_is_for() {
    let (running, _) = start("[http]\nrate_limit = '3/min'").await;
    let mut statuses = Vec::new();
    for path in [
        "/shop.v1.Prices/Quote",
        "/grpc.health.v1.Health/Check",
        "/hello",
        "/hello",
        "/grpc.health.v1.Health/Check",
    ] {
        let asked = request("POST", path, &[GRPC], "x");
        statuses.push(hardening_service_tests::client::ask(running.addr, asked).await.status);
    }
    assert_eq!(statuses, [505, 505, 505, 429, 429]);
}

#[tokio::test]
async fn the_admin_listener_serves_no_services() {
    let (running, _) = start("").await;
    ready(&running).await;
    let status = quote(&mut PricesClient::new(channel(running.admin_addr)), "a").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn paths_below_a_service_make_no_series_of_their_own() {
    let (running, _) = start("[http]\nrate_limit = 'none'").await;
    let client = Http2::connect(running.addr).await;
    for number in 0..20 {
        for path in [format!("/shop.v1.Prices/deep-{number}/x"), format!("/shop.v1.Prices/deep-{number}")] {
            let reply = client.ask("POST", &path, &[GRPC], "").await;
            assert_eq!(reply.header("grpc-status"), Some("12"), "{path}");
        }
    }
    let metrics = scrape(&running).await;
    assert!(!metrics.contains("deep-") && metrics.contains("/shop.v1.Prices/other"), "{metrics}");
}

#[tokio::test]
async fn calls_beyond_what_the_service_works_on_at_once_are_refused_and_may_come_again() {
    let (running, seen) = start("[shed]\nlimit = 'fixed'\nmax = 1\n[shutdown]\ndrain = '1s'").await;
    let mut client = client(&running);
    assert_eq!(quote(&mut client, "first").await.unwrap(), "first");
    let mut another = client.clone();
    let stuck = tokio::spawn(async move { quote(&mut another, "stuck").await });
    until("inside", || async { seen.working() == 1 }).await;
    for _ in 0..3 {
        let status = quote(&mut client, "one too many").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.metadata().contains_key("grpc-retry-pushback-ms"), "{status:?}");
    }
    stuck.abort();
    until("room", || {
        let mut client = client.clone();
        async move { quote(&mut client, "again").await.is_ok() }
    })
    .await;
    // A stream counts until it begins.
    let mut stream = client.feed(Request::new(text("100000"))).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    assert_eq!(quote(&mut client, "beside it").await.unwrap(), "beside it");
    assert!(value(&scrape(&running).await, "http_shed_total{class=\"normal\"}") >= Some(3.0));
}

/// A message as it is framed.
fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_its_clients_fault() {
    let (running, _) = start("").await;
    let client = Http2::connect(running.addr).await;
    let good = framed(0, b"\x0a\x02hi");
    let unreadable = [
        ("no protobuf", framed(0, b"\xff\xff\xff")),
        ("no UTF-8", framed(0, b"\x0a\x02\xff\xfe")),
        ("nested too deeply", framed(0, &[0x0b; 1000])),
        ("a flag that is none", framed(7, b"x")),
        ("compressed and not said to be", framed(1, b"x")),
        ("less than its length says", good[..5].to_vec()),
        ("half of a length", good[..3].to_vec()),
        // Of a bidirectional method these come after one that can be read.
        ("no protobuf, in one frame with others", [&good[..], &framed(0, b"\xff\xff\xff")].concat()),
        ("compressed, in one frame with others", [&good[..], &good, &framed(1, b"x")].concat()),
        ("less than its length, in one frame with others", [&good[..], &good[..7]].concat()),
    ];
    for (what, body) in &unreadable {
        for method in ["Quote", "Talk"] {
            let path = format!("/shop.v1.Prices/{method}");
            let reply = client.ask("POST", &path, &[GRPC, ("te", "trailers")], body.clone()).await;
            let code = reply.header("grpc-status");
            // Of several messages a method with one may read the first alone.
            let told =
                code == Some("3") || code.is_none() && (method == "Talk" || what.contains("with others"));
            assert!(told, "{what}: {reply:?}");
        }
    }
    let reply = client.ask("POST", "/shop.v1.Prices/Quote", &[GRPC], "").await;
    assert_eq!(reply.header("grpc-status"), Some("3"), "no message: {reply:?}");
    let reply = client.ask("POST", "/shop.v1.Prices/Quote", &[GRPC], good).await;
    assert_eq!((reply.header("grpc-status"), &*reply.body), (None, "\0\0\0\0\x04\x0a\x02hi"));
    let mut own = super::grpc_app::client(&running);
    assert_eq!(quote(&mut own, "upstream").await.unwrap_err().code(), Code::Internal, "what it asked itself");
    let metrics = scrape(&running).await;
    assert!(value(&metrics, &calls("Quote", "INVALID_ARGUMENT")) >= Some(8.0), "{metrics}");
    assert_eq!(value(&metrics, &calls("Talk", "INVALID_ARGUMENT")), Some(9.0), "{metrics}");
    assert_eq!(value(&metrics, &calls("Quote", "INTERNAL")), Some(1.0), "{metrics}");
    assert_eq!(value(&metrics, &calls("Talk", "INTERNAL")), None, "{metrics}");
}

//! Traces: in from the caller, through calls and attempts, out to the next service, and to a receiver.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use hardening::http::{Client, Error};
use hardening::{Setup, hardened_service, retry, timeout};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::app::Dependencies;
use super::receiver::{Receiver, attributes, hex};
use hardening_service_tests::child::{Child, End, main_of};
use hardening_service_tests::client::{get as ask, get_with};
use hardening_service_tests::service::{until, value};
use hardening_service_tests::tool::spawned;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const SECRET: &str = "hunter2";
const NAME: &str = "traces::child_main";

#[test]
fn child_main() {
    main_of(NAME, orders);
}

#[hardened_service(name = "orders")]
async fn orders(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    let client = Client::new();
    Router::new()
        .route("/price/{port}", get(priced))
        .route("/plain", get(|| async { "plain" }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .with_state(client)
}

async fn priced(State(client): State<Client>, Path(port): Path<u16>) -> (StatusCode, String) {
    tracing::info!("asked for a price");
    match price(&client, port).await {
        Ok(price) => (StatusCode::OK, price),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

#[retry(attempts = 2, backoff = 1ms..2ms, idempotent)]
#[timeout(5s)]
async fn price(client: &Client, port: u16) -> Result<String, Error> {
    tracing::warn!(password = SECRET, attempt = true, "about to ask");
    let url = format!("http://127.0.0.1:{port}/stock?key={SECRET}");
    Ok(client.get(url).header("authorization", SECRET).send().await?.error_for_status()?.text())
}

/// A service that answers the first request with 503 and says what trace each came with.
pub(super) async fn stock() -> (u16, Arc<Mutex<Vec<HeaderMap>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let answer = async |State(seen): State<Arc<Mutex<Vec<HeaderMap>>>>, fields: HeaderMap| {
        let mut seen = seen.lock().unwrap();
        seen.push(fields);
        if seen.len() == 1 { (StatusCode::SERVICE_UNAVAILABLE, "") } else { (StatusCode::OK, "7") }
    };
    let routes = Router::new().route("/stock", get(answer)).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (port, seen)
}

async fn start(endpoint: &str, more: &[(&str, &str)]) -> Child {
    let mut variables =
        vec![("HARDENING_TELEMETRY__OTLP_ENDPOINT", endpoint), ("HARDENING_TELEMETRY__EXPORT_EVERY", "50ms")];
    variables.extend(more);
    Child::start(NAME, &variables).await
}

async fn stopped(child: Child) -> End {
    child.terminate().await;
    child.ended().await
}

fn parent(flags: &str) -> [(&'static str, String); 2] {
    [("traceparent", format!("00-{TRACE}-{CALLER}-{flags}")), ("tracestate", "a=1,b=2".to_owned())]
}

async fn asked(addr: SocketAddr, path: &str, fields: &[(&str, String)]) -> u16 {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    get_with(addr, path, &fields).await.status
}

/// The only span with this name below this parent.
#[track_caller]
fn child_of<'s>(spans: &'s [Span], parent: &Span, name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.parent_span_id == parent.span_id && span.name == name).collect()
}

/// The tree of a request that made one call of two attempts, and what the next service was told.
#[track_caller]
fn assert_tree(spans: &[Span], seen: &[HeaderMap]) {
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_state == "a=1,b=2"), "{spans:#?}");
    let server = spans.iter().find(|span| span.kind() == SpanKind::Server).expect("a server span");
    assert_eq!((hex(&server.parent_span_id).as_str(), server.name.as_str()), (CALLER, "GET /price/{port}"));
    let said = attributes(&server.attributes);
    assert_eq!(
        (&said["http.route"], &said["http.response.status_code"]),
        (&"/price/{port}".into(), &200.into())
    );
    assert_eq!(server.status.as_ref().map_or(0, |status| status.code), 0);

    let [call] = child_of(spans, server, "traces::price")[..] else { panic!("{spans:#?}") };
    let said = attributes(&call.attributes);
    assert_eq!((&said["hardening.outcome"], &said["hardening.attempts"]), (&"success".into(), &2.into()));
    let mut attempts = child_of(spans, call, "attempt");
    attempts.sort_by_key(|span| span.start_time_unix_nano);
    let [first, second] = attempts[..] else { panic!("{spans:#?}") };
    for (number, attempt, outcome, status, code) in
        [(1, first, "failure", 503, 2), (2, second, "success", 200, 0)]
    {
        let said = attributes(&attempt.attributes);
        assert_eq!(
            (&said["hardening.attempt"], &said["hardening.outcome"]),
            (&number.into(), &outcome.into())
        );
        assert_eq!(attempt.status.as_ref().map_or(0, |status| status.code), code, "{attempt:#?}");
        let event = &attempt.events[0];
        assert_eq!(event.name, "about to ask");
        assert_eq!(attributes(&event.attributes)["password"], "[redacted]");
        let [request] = child_of(spans, attempt, "GET")[..] else { panic!("{spans:#?}") };
        assert_eq!(request.kind(), SpanKind::Client);
        let said = attributes(&request.attributes);
        assert_eq!(said["http.response.status_code"], status);
        assert_eq!(said["network.protocol.version"], "1.1");
        let told = seen[number - 1]["traceparent"].to_str().unwrap();
        assert_eq!(told, format!("00-{TRACE}-{}-01", hex(&request.span_id)));
        assert_eq!(seen[number - 1]["tracestate"], "a=1,b=2");
        assert!(server.start_time_unix_nano <= attempt.start_time_unix_nano + 5_000_000, "{spans:#?}");
        assert!(attempt.end_time_unix_nano <= server.end_time_unix_nano + 5_000_000, "{spans:#?}");
    }
}

#[tokio::test]
async fn a_request_is_a_tree_of_calls_and_attempts_in_the_callers_trace() {
    let receiver = Receiver::start(&[]).await;
    let (port, seen) = stock().await;
    let headers = [("HARDENING_TELEMETRY__OTLP_HEADERS", "x-token=a%20b,x-other=1")];
    let child = start(&receiver.url(), &headers).await;
    assert_eq!(asked(child.addr, &format!("/price/{port}"), &parent("01")).await, 200);
    let spans = receiver.spans(6).await;
    assert_tree(&spans, &seen.lock().unwrap());
    let received = receiver.received();
    assert_eq!(
        (&received.fields[0]["x-token"], &received.fields[0]["x-other"]),
        (&"a b".parse().unwrap(), &"1".parse().unwrap())
    );
    let agent = received.fields[0]["user-agent"].to_str().unwrap().to_owned();
    assert!(agent.starts_with("hardening/") && agent.contains(" OTel-OTLP-Exporter-Rust/"), "{agent}");
    assert!(received.schemas.len() >= 2, "of the resource and of the scope");
    assert!(
        received.schemas.iter().all(|schema| schema == "https://opentelemetry.io/schemas/1.45.0"),
        "{:?}",
        received.schemas
    );
    assert_eq!(received.resources[0]["service.name"], "orders");
    assert_eq!(received.resources[0]["service.version"], env!("CARGO_PKG_VERSION"));
    assert!(!received.raw.contains(SECRET), "{}", received.raw);
    until("they are counted", || async {
        let metrics = ask(child.admin_addr, "/metrics").await.body;
        value(&metrics, "hardening_spans_total{result=\"exported\"}") == Some(6.0)
    })
    .await;

    let end = stopped(child).await;
    assert_eq!(end.code, Some(0));
    let of_request: Vec<_> = end.log.iter().filter(|line| line.get("request_id").is_some()).collect();
    for said in ["asked for a price", "about to ask", "request"] {
        assert!(of_request.iter().any(|line| line["message"] == said), "{of_request:#?}");
    }
    assert!(of_request.iter().all(|line| line["trace_id"] == TRACE), "{of_request:#?}");
}

#[tokio::test]
async fn a_trace_begins_where_none_comes_in_and_malformed_ones_are_none() {
    let receiver = Receiver::start(&[]).await;
    let child = start(&receiver.url(), &[]).await;
    let good = parent("01");
    let upper = good[0].1.to_uppercase();
    let cases = [
        vec![],
        vec![("traceparent", upper)],
        vec![("traceparent", format!("{}-00", good[0].1)), good[1].clone()],
        // Said twice, it is not said.
        vec![good[0].clone(), good[0].clone()],
        vec![good[1].clone()],
    ];
    for fields in &cases {
        assert_eq!(asked(child.addr, "/plain", fields).await, 200);
    }
    let spans = receiver.spans(cases.len()).await;
    let mut traces: Vec<_> = spans.iter().map(|span| hex(&span.trace_id)).collect();
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), cases.len(), "each is a trace of its own");
    assert!(
        spans.iter().all(|span| span.parent_span_id.is_empty() && span.trace_state.is_empty()),
        "{spans:#?}"
    );
    assert!(!traces.contains(&TRACE.to_owned()));
}

#[tokio::test]
async fn the_caller_decides_whether_its_trace_is_recorded_and_the_share_about_the_rest() {
    let receiver = Receiver::start(&[]).await;
    let (port, seen) = stock().await;
    let child = start(&receiver.url(), &[("HARDENING_TELEMETRY__SAMPLING", "0%")]).await;
    assert_eq!(asked(child.addr, &format!("/price/{port}"), &parent("00")).await, 200);
    assert_eq!(asked(child.addr, &format!("/price/{port}"), &[]).await, 200);
    assert_eq!(asked(child.addr, "/broken", &parent("01")).await, 500);
    // Everything that waits is sent before the end.
    assert_eq!(stopped(child).await.code, Some(0));
    let spans = receiver.received().spans;
    assert_eq!(spans.len(), 1, "{spans:#?}");
    assert_eq!((spans[0].name.as_str(), spans[0].status.as_ref().unwrap().code), ("GET /broken", 2));
    let told: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|fields| fields["traceparent"].to_str().unwrap().to_owned())
        .collect();
    assert!(
        told[..2].iter().all(|told| told.ends_with("-00"))
            && told[2..].iter().all(|told| told.ends_with("-02")),
        "what is not recorded is said so onwards: {told:?}"
    );
    assert!(told[..2].iter().all(|told| told.contains(TRACE)), "{told:?}");
}

#[tokio::test]
async fn what_a_receiver_cannot_take_now_is_sent_again() {
    let receiver = Receiver::start(&[503, 429]).await;
    let child = start(&receiver.url(), &[]).await;
    assert_eq!(ask(child.addr, "/plain").await.status, 200);
    receiver.spans(1).await;
    let end = stopped(child).await;
    let told =
        |line: &&Value| line["message"].as_str().is_some_and(|said| said.contains("does not take spans"));
    let told = end.log.iter().filter(told).count();
    assert_eq!((end.code, told), (Some(0), 1), "one warning for all of it: {:#?}", end.log);
}

#[tokio::test]
async fn what_a_receiver_says_of_spans_is_told_and_it_takes_them_again_once_it_does() {
    let words = [(1, "too old"), (1, "too old"), (-1, ""), (0, "use gRPC"), (0, "")];
    let receiver = Receiver::start(&[503]).await.saying(&words);
    let child = start(&receiver.url(), &[]).await;
    for sent in 1..=words.len() {
        assert_eq!(ask(child.addr, "/plain").await.status, 200);
        receiver.spans(sent).await;
        let counted = || async {
            let metrics = ask(child.admin_addr, "/metrics").await.body;
            let results =
                ["exported", "failed"].map(|result| format!("hardening_spans_total{{result=\"{result}\"}}"));
            let [exported, failed] = results.map(|series| value(&metrics, &series).unwrap());
            (exported + failed - sent as f64).abs() < 0.5 && (failed - sent.min(2) as f64).abs() < 0.5
        };
        until("they are counted", counted).await;
    }
    let end = stopped(child).await;
    let told: Vec<_> = end.log.iter().filter_map(|line| line["message"].as_str().zip(Some(line))).collect();
    let told: Vec<_> = told.iter().filter(|(said, _)| said.contains("the receiver of traces")).collect();
    let messages: Vec<_> = told.iter().map(|(said, _)| said.split("traces ").nth(1).unwrap()).collect();
    assert_eq!(
        messages,
        [
            "does not take spans; what the queue cannot hold is lost",
            "refuses spans, which are lost",
            "takes spans again",
            "takes spans and has something to say",
        ],
        "{told:#?}"
    );
    assert_eq!(
        (&told[1].1["said"], &told[3].1["said"]),
        (&"too old".into(), &"use gRPC".into()),
        "{told:#?}"
    );
}

/// The median time of 60 answers.
async fn median(addr: SocketAddr) -> Duration {
    let mut took = Vec::new();
    for _ in 0..60 {
        let began = Instant::now();
        assert_eq!(ask(addr, "/plain").await.status, 200);
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

#[tokio::test]
async fn a_receiver_that_hangs_or_is_gone_slows_nothing_and_keeps_nothing() {
    // Connections are taken by the kernel, and nobody reads them.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (gone, _bound) = hardening_service_tests::ports::refusing();
    let works = Receiver::start(&[]).await;
    let usual = median(start(&works.url(), &[]).await.addr).await;
    for address in [hangs.local_addr().unwrap(), gone] {
        let queue = [("HARDENING_TELEMETRY__QUEUE", "10"), ("HARDENING_TELEMETRY__EXPORT_TIMEOUT", "30s")];
        let child = start(&format!("http://{address}"), &queue).await;
        let now = median(child.addr).await;
        assert!(now < usual * 4 + Duration::from_millis(5), "{address}: {now:?}, and usually {usual:?}");
        let metrics = ask(child.admin_addr, "/metrics").await.body;
        let dropped = value(&metrics, "hardening_spans_total{result=\"dropped\"}").unwrap();
        assert!(dropped > 0.0, "a bounded queue is full: {metrics}");
        let began = Instant::now();
        let end = stopped(child).await;
        assert_eq!(end.code, Some(0), "lost spans are no failure: {:#?}", end.log);
        // 300 ms of quiet, a second for the last spans.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

/// A collector that others wrote: what it makes of the spans is what the service said.
#[tokio::test]
async fn a_collector_passes_the_tree_on() {
    let receiver = Receiver::start(&[]).await;
    let [grpc, http] = [(); 2].map(|()| hardening_service_tests::ports::free().to_string());
    let mut collector = tokio::process::Command::new("rotel-agent");
    collector
        .args(["start", "--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http, "--exporter", "otlp"])
        .args(["--otlp-exporter-protocol", "http"])
        .args(["--otlp-exporter-endpoint", &receiver.url(), "--batch-timeout", "100ms"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let Some(_collector) = spawned(&mut collector) else { return };
    until("it listens", || async { tokio::net::TcpStream::connect(&http).await.is_ok() }).await;
    let (port, seen) = stock().await;
    let child = start(&format!("http://{http}"), &[]).await;
    assert_eq!(asked(child.addr, &format!("/price/{port}"), &parent("01")).await, 200);
    let spans = receiver.spans(6).await;
    assert_tree(&spans, &seen.lock().unwrap());
    assert_eq!(receiver.received().resources[0]["service.name"], "orders");
}

//! A receiver of traces that reads them with the messages of OpenTelemetry's own crate.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use hardening_service_tests::service::until;

/// What came.
#[derive(Clone, Default)]
pub(crate) struct Received {
    pub(crate) spans: Vec<Span>,
    pub(crate) resources: Vec<BTreeMap<String, Value>>,
    pub(crate) fields: Vec<HeaderMap>,
    /// Of each resource and each scope.
    pub(crate) schemas: Vec<String>,
    /// Everything as text, to look for what must not be there.
    pub(crate) raw: String,
}

/// A receiver on a free port. It answers with the statuses it is given, and with 200 when they are used up.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    received: Arc<Mutex<Received>>,
    answers: Arc<Mutex<Vec<u16>>>,
    /// What it says of spans that it has read: how many it refuses, and why.
    words: Arc<Mutex<Vec<(i64, &'static str)>>>,
}

impl Receiver {
    pub(crate) async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(answers.to_vec()));
        let receiver = Self { addr, received: Arc::default(), answers, words: Arc::default() };
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        receiver
    }

    /// Lets it say these things first.
    pub(crate) fn saying(self, words: &[(i64, &'static str)]) -> Self {
        *self.words.lock().unwrap() = words.to_vec();
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }

    /// The spans, once there are that many. What was sent again because the answer was late counts once.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Span> {
        let once = || {
            let mut seen = std::collections::HashSet::new();
            let mut spans = self.received().spans;
            spans.retain(|span| seen.insert(span.span_id.clone()));
            spans
        };
        until("spans arrive", || async { once().len() >= count }).await;
        let spans = once();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

async fn receive(State(receiver): State<Receiver>, fields: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let mut answers = receiver.answers.lock().unwrap();
    if !answers.is_empty() {
        return (StatusCode::from_u16(answers.remove(0)).unwrap(), Vec::new());
    }
    assert_eq!(fields["content-type"], "application/x-protobuf");
    let body = if fields.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut unpacked).expect("a packed body");
        Bytes::from(unpacked)
    } else {
        body
    };
    let request = ExportTraceServiceRequest::decode(body.clone()).expect("an export of traces");
    let mut received = receiver.received.lock().unwrap();
    received.fields.push(fields);
    received.raw += &String::from_utf8_lossy(&body);
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.expect("a resource");
        received.resources.push(attributes(&resource.attributes));
        received.schemas.push(of_resource.schema_url);
        for scope in of_resource.scope_spans {
            received.schemas.push(scope.schema_url);
            received.spans.extend(scope.spans);
        }
    }
    let mut words = receiver.words.lock().unwrap();
    let partial_success = (!words.is_empty()).then(|| {
        let (rejected_spans, error_message) = words.remove(0);
        ExportTracePartialSuccess { rejected_spans, error_message: error_message.to_owned() }
    });
    (StatusCode::OK, ExportTraceServiceResponse { partial_success }.encode_to_vec())
}

/// Attributes by name.
pub(crate) fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, Value> {
    let value = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::IntValue(value)) => json!(value),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::DoubleValue(value)) => json!(value),
        other => panic!("{other:?}"),
    };
    let all: BTreeMap<_, _> = pairs.iter().map(|pair| (pair.key.clone(), value(&pair.value))).collect();
    assert_eq!(all.len(), pairs.len(), "an attribute stands twice: {pairs:?}");
    all
}

/// An id as it is written.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |written, byte| format!("{written}{byte:02x}"))
}

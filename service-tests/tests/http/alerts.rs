//! Alerts: who is told of which errors, how often, and that nobody who does not listen slows anything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hardening::{BoxError, Running, Setup, circuit_breaker, deadline, hardened_service};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::app::Dependencies;
use super::grpc_app;
use super::receiver::{Receiver, attributes};
use hardening_service_tests::client::{get as ask, get_with};
use hardening_service_tests::service::{scrape, until, value};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[hardened_service(name = "alerting")]
pub(crate) async fn alerting(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    let status = |status: u16| get(move || async move { StatusCode::from_u16(status).unwrap() });
    Router::new()
        .route("/fine", get(|| async { "fine" }))
        .route("/broken", status(500))
        .route("/upstream", status(502))
        .route("/refusing", status(503))
        .route("/missing", status(404))
        .route("/hangs", get(std::future::pending::<()>))
        .route("/maps", get(async || hurried().await.map_err(|_| StatusCode::BAD_GATEWAY)))
        .route("/reads", post(async |_: Bytes| std::future::pending::<()>().await))
        .route(
            "/caught",
            get(|| async { if caught().await.is_err() { "an answer all the same" } else { "" } }),
        )
}

/// Ends with the time of its request.
#[deadline(10s)]
async fn hurried() -> Result<(), BoxError> {
    std::future::pending().await
}

#[circuit_breaker(failure_rate = 50%, window = 100, min_calls = 100)]
async fn caught() -> Result<(), BoxError> {
    Err("always".into())
}

#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    path: String,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Delivery {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One who is told, at any path, and answers with the statuses it is given, then with 204.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) addr: SocketAddr,
    heard: Arc<Mutex<Vec<Delivery>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Listener {
    pub(crate) async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let this = Self { addr, heard: Arc::default(), answers: Arc::new(Mutex::new(answers.to_vec())) };
        let hear = async |State(this): State<Self>, uri: Uri, fields: HeaderMap, body: Bytes| {
            this.heard.lock().unwrap().push(Delivery { path: uri.path().to_owned(), fields, body });
            let mut answers = this.answers.lock().unwrap();
            let answer = if answers.is_empty() { 204 } else { answers.remove(0) };
            let status = StatusCode::from_u16(answer).unwrap();
            let busy = status == StatusCode::TOO_MANY_REQUESTS;
            let again = busy.then(|| (header::RETRY_AFTER, HeaderValue::from_static("3")));
            (status, HeaderMap::from_iter(again))
        };
        let routes = Router::new().fallback(hear).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        this
    }

    /// What was heard of one route or call. Calls are counted for the whole process, so other tests' are heard too.
    pub(crate) fn of(&self, name: &str) -> Vec<Delivery> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| String::from_utf8_lossy(&heard.body).contains(name)).cloned().collect()
    }

    pub(crate) async fn hears(&self, name: &str, count: usize) -> Vec<Delivery> {
        until("somebody is told", || async { self.of(name).len() >= count }).await;
        let heard = self.of(name);
        assert_eq!(heard.len(), count, "{heard:#?}");
        heard
    }
}

pub(crate) async fn start(alerts: &str) -> Running {
    let settings = format!("[http]\nrate_limit = 'none'\n[alerts]\n{alerts}");
    let running = alerting().with_settings(settings).start().await;
    running.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn times(running: &Running, count: usize, path: &str) {
    for _ in 0..count {
        ask(running.addr, path).await;
    }
}

#[tokio::test]
async fn five_errors_are_told_once_to_each_in_its_own_form() {
    let told = Listener::start(&[]).await;
    let at = told.addr;
    let running = start(&format!(
        "slack = ['http://{at}/slack/T0/hush']\ndiscord = ['http://{at}/discord']\njson = ['http://{at}/json']\nsecret = '{SECRET}'"
    ))
    .await;
    times(&running, 4, "/broken").await;
    times(&running, 30, "/refusing").await;
    times(&running, 30, "/missing").await;
    times(&running, 5, "/upstream").await;
    told.hears("/upstream", 3).await;
    assert!(
        told.of("/broken").is_empty() && told.of("/refusing").is_empty() && told.of("/missing").is_empty()
    );

    let fields = [("x-request-id", "the-last-one")];
    get_with(running.addr, "/broken", &fields).await;
    let heard = told.hears("/broken", 3).await;
    let of = |path: &str| heard.iter().find(|heard| heard.path == path).unwrap();
    let line = of("/slack/T0/hush").json()["text"].as_str().unwrap().to_owned();
    assert!(
        line.starts_with("alerting: 5 errors of the route /broken (500 5); the last: request the-last-one"),
        "{line}"
    );
    assert_eq!(of("/discord").json()["content"], line);
    let json = of("/json");
    let data = &json.json()["data"];
    assert_eq!(
        (&data["service"], &data["kind"], &data["name"]),
        (&"alerting".into(), &"route".into(), &"/broken".into())
    );
    assert_eq!((&data["errors"], &data["suppressed"], &data["by"]["500"]), (&5.into(), &0.into(), &5.into()));
    assert_eq!(data["request_id"], "the-last-one");
    assert_eq!(data["trace_id"].as_str().map(str::len), Some(32));

    let field = |name: &str| json.fields[name].to_str().unwrap();
    let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [field("webhook-id"), ".", field("webhook-timestamp"), "."].concat().into_bytes();
    let signed = [signed, json.body.to_vec()].concat();
    let signature = BASE64_STANDARD.decode(field("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed, &signature).expect("the signature");
    assert!(!json.fields.contains_key("x-request-id"), "a message belongs to no request");

    until("they are counted", || async {
        let metrics = scrape(&running).await;
        let of = |sink: &str| {
            value(&metrics, &format!("hardening_alerts_total{{sink=\"{sink}\",result=\"delivered\"}}"))
        };
        ["slack", "discord", "json"].iter().all(|sink| of(sink).is_some_and(|count| count >= 2.0))
    })
    .await;
}

#[tokio::test]
async fn failures_of_a_call_are_told_even_where_the_request_got_an_answer() {
    let told = Listener::start(&[]).await;
    let running = start(&format!("json = ['http://{}/']\nsecret = 's'", told.addr)).await;
    times(&running, 6, "/caught").await;
    let heard = told.hears("alerts::caught", 1).await;
    let data = &heard[0].json()["data"];
    assert_eq!((&data["kind"], &data["name"]), (&"call".into(), &"alerts::caught".into()));
    assert!(data["by"]["failure"].as_u64().unwrap() >= 5, "{data}");
}

#[tokio::test]
async fn what_is_suppressed_is_told_with_the_next_message() {
    let told = Listener::start(&[]).await;
    let running =
        start(&format!("json = ['http://{}/']\nsecret = 's'\nwindow = '30s'\nevery = '3s'", told.addr)).await;
    let began = Instant::now();
    times(&running, 5, "/broken").await;
    told.hears("/broken", 1).await;
    times(&running, 20, "/broken").await;
    let heard = told.hears("/broken", 2).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    let data = &heard[1].json()["data"];
    assert_eq!(
        (&data["errors"], &data["suppressed"], &data["by"]["500"]),
        (&20.into(), &20.into(), &20.into())
    );
    assert_ne!(heard[0].fields["webhook-id"], heard[1].fields["webhook-id"]);
    assert_eq!(value(&scrape(&running).await, "hardening_alerts_suppressed_errors_total"), Some(20.0));
}

#[tokio::test]
async fn one_that_fails_for_a_moment_is_told_again_and_one_that_will_not_hear_is_not() {
    let (moody, never) = (Listener::start(&[500, 429]).await, Listener::start(&[410; 100]).await);
    let running =
        start(&format!("slack = ['http://{}/a']\ndiscord = ['http://{}/b']", moody.addr, never.addr)).await;
    times(&running, 5, "/broken").await;
    moody.hears("/broken", 3).await;
    never.hears("/broken", 1).await;
    let metrics = scrape(&running).await;
    assert!(
        value(&metrics, "hardening_alerts_total{sink=\"discord\",result=\"failed\"}") >= Some(1.0),
        "{metrics}"
    );
}

#[tokio::test]
async fn one_that_says_when_is_told_again_then() {
    let busy = Listener::start(&[429]).await;
    let running = start(&format!("slack = ['http://{}/a']", busy.addr)).await;
    times(&running, 5, "/broken").await;
    busy.hears("/broken", 1).await;
    let began = Instant::now();
    busy.hears("/broken", 2).await;
    assert!(began.elapsed() > Duration::from_millis(2_500), "{:?}", began.elapsed());
}

/// The median time of 60 answers that are errors.
async fn median(running: &Running) -> Duration {
    let mut took = Vec::new();
    for _ in 0..60 {
        let began = Instant::now();
        assert_eq!(ask(running.addr, "/broken").await.status, 500);
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

#[tokio::test]
async fn i_73_one_that_hangs_or_is_gone_slows_nothing_and_nobody_else() {
    let usual = median(&start("").await).await;
    // Connections are taken by the kernel, and nobody reads them.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (gone, _bound) = hardening_service_tests::ports::refusing();
    let told = Listener::start(&[]).await;
    let running = start(&format!(
        "slack = ['http://{}/a', 'http://{gone}/b', 'http://{}/c']\ntimeout = '30s'\nerrors = 1\nevery = '1ms'",
        hangs.local_addr().unwrap(),
        told.addr
    ))
    .await;
    let now = median(&running).await;
    assert!(now < usual * 4 + Duration::from_millis(5), "{now:?}, and usually {usual:?}");
    until("the one that listens is told", || async { !told.of("/broken").is_empty() }).await;
    let began = Instant::now();
    let report = running.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_last_errors_are_told_before_the_end() {
    let told = Listener::start(&[]).await;
    let running = start(&format!("slack = ['http://{}/a']", told.addr)).await;
    // The first look has passed, and the next is half a second away at most.
    until("it looks", || async { ask(running.admin_addr, "/readyz").await.status == 200 }).await;
    times(&running, 5, "/broken").await;
    running.shutdown().await;
    assert_eq!(told.of("/broken").len(), 1);
}

#[tokio::test]
async fn addresses_and_secrets_are_checked_at_the_start_and_never_repeated() {
    for (alerts, wrong) in [
        ("json = ['http://a/hush']", "secret is missing"),
        ("json = ['http://a/hush']\nsecret = 'whsec_hush!'", "no base 64"),
        ("slack = ['hush']", "begins with `http://`"),
        ("slack = ['http://me:hush@a/']", "no credentials"),
    ] {
        let error =
            alerting().with_settings(format!("[alerts]\n{alerts}")).start().await.unwrap_err().to_string();
        assert!(error.contains(wrong) && !error.contains("hush"), "{alerts}: {error}");
    }
    let alerts = "slack = ['http://127.0.0.1:9/hush']\nsecret = 'hush'";
    let service = alerting().with_settings(format!("[alerts]\n{alerts}"));
    let running = service.start().await.unwrap();
    assert!(!format!("{running:?}").contains("hush"), "{running:?}");
}

#[tokio::test]
async fn a_call_of_grpc_that_the_service_failed_is_an_error_to_all_of_telemetry() {
    let (told, receiver) = (Listener::start(&[]).await, Receiver::start(&[]).await);
    let settings = format!(
        "[alerts]\nobjective = '99%'\nslack = ['http://{}/a']\n[telemetry]\notlp_endpoint = '{}'\nexport_every = '50ms'",
        told.addr,
        receiver.url()
    );
    let (running, _) = grpc_app::start(&settings).await;
    let mut client = grpc_app::client(&running);
    for _ in 0..5 {
        grpc_app::quote(&mut client, "panic").await.unwrap_err();
    }
    let heard = told.hears("the route /shop.v1.Prices/Quote", 1).await;
    let line = heard[0].json()["text"].as_str().unwrap().to_owned();
    assert!(line.contains("(INTERNAL 5)"), "{line}");
    let counted =
        |name: &str| format!("hardening_slo_{name}_total{{slo=\"prices\",route=\"/shop.v1.Prices/Quote\"}}");
    let metrics = scrape(&running).await;
    assert_eq!(
        (value(&metrics, &counted("requests")), value(&metrics, &counted("errors"))),
        (Some(5.0), Some(5.0)),
        "{metrics}"
    );
    for span in receiver.spans(5).await {
        let said = attributes(&span.attributes);
        assert_eq!((&said["rpc.status_code"], &said["error.type"]), (&"INTERNAL".into(), &"INTERNAL".into()));
        assert_eq!(span.status.map(|status| status.code), Some(2));
    }
}

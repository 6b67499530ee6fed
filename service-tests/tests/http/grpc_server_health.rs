//! `grpc.health.v1` from the same state as the probes: a real client of ours, and the stock one of another language.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hardening::Running;
use hardening_service_tests::prices::text;
use hardening_service_tests::service::{ready, scrape, value};
use hardening_service_tests::tool::spawned;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::app::{Dependencies, Dependency, Steered};
use super::grpc_app::{channel, start};
use super::support;
use hardening_service_tests::client::PATIENCE;

type Client = HealthClient<tonic::transport::Channel>;

fn asked(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(client: &mut Client, service: &str) -> Result<ServingStatus, Status> {
    client.check(asked(service)).await.map(|answer| answer.into_inner().status())
}

/// The next state, or the status at the end.
async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Result<Option<ServingStatus>, Status> {
    let next = timeout(PATIENCE, stream.message()).await.expect("in time");
    next.map(|message| message.map(|message| message.status()))
}

#[tokio::test]
async fn each_service_and_the_whole_have_the_state_of_readiness_on_both_listeners() {
    // On the service's own listener watching costs what a request does, and checking nothing.
    let (running, _) = start("[http]\nrate_limit = '2/h'").await;
    ready(&running).await;
    for address in [running.addr, running.admin_addr] {
        let mut client = HealthClient::new(channel(address));
        for service in ["", "shop.v1.Prices", "grpc.health.v1.Health"] {
            assert_eq!(check(&mut client, service).await.unwrap(), ServingStatus::Serving, "{service}");
        }
        for service in ["shop.v1.None", "shop.v1.Prices/Quote", "{*rest}", "x".repeat(500).as_str(), "\u{e9}"]
        {
            let status = check(&mut client, service).await.unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{service}");
        }
        let status = check(&mut client, &"x".repeat(5000)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let mut unknown = client.watch(asked("shop.v1.None")).await.unwrap().into_inner();
        assert_eq!(next(&mut unknown).await.unwrap(), Some(ServingStatus::ServiceUnknown));
        let mut known = client.watch(asked("shop.v1.Prices")).await.unwrap().into_inner();
        assert_eq!(next(&mut known).await.unwrap(), Some(ServingStatus::Serving));
    }
    let metrics = scrape(&running).await;
    let checks = r#"grpc_requests_total{service="grpc.health.v1.Health",method="Check",code="OK"}"#;
    assert_eq!(value(&metrics, checks), Some(3.0), "the service's listener counts");
    assert_eq!(value(&metrics, "http_requests_in_flight"), Some(0.0), "nobody waits for who watches");
}

#[tokio::test]
async fn who_watches_sees_what_the_checks_say() {
    let steered = Steered::new();
    let dependencies =
        Dependencies { own: Dependency::Steered(Arc::clone(&steered)), ..Dependencies::default() };
    let running = support::start_with(dependencies, "").await;
    let mut client = HealthClient::new(channel(running.addr));
    let mut watching = client.watch(asked("")).await.unwrap().into_inner();
    assert_eq!(next(&mut watching).await.unwrap(), Some(ServingStatus::NotServing), "nothing is known yet");
    steered.end_run(true).await;
    assert_eq!(next(&mut watching).await.unwrap(), Some(ServingStatus::Serving));
    for _ in 0..3 {
        steered.end_run(false).await;
    }
    assert_eq!(next(&mut watching).await.unwrap(), Some(ServingStatus::NotServing));
    assert_eq!(check(&mut client, "").await.unwrap(), ServingStatus::NotServing);
    for _ in 0..2 {
        steered.end_run(true).await;
    }
    assert_eq!(next(&mut watching).await.unwrap(), Some(ServingStatus::Serving));
}

#[tokio::test]
async fn a_deadline_ends_watching() {
    let (running, _) = start("").await;
    let mut client = HealthClient::new(channel(running.addr));
    let mut request = Request::new(asked(""));
    request.set_timeout(Duration::from_millis(200));
    let mut watching = client.watch(request).await.unwrap().into_inner();
    while let Ok(state) = next(&mut watching).await {
        assert!(state.is_some(), "it ends with an error");
    }
}

#[tokio::test]
async fn a_thousand_who_watch_see_the_drain_at_once_and_do_not_hold_it() {
    let (running, _) =
        start("[shutdown]\npre_drain = '5s'\n[http]\nrate_limit = 'none'\nhealth_watchers = 2000\nhealth_watchers_per_client = 2000")
            .await;
    ready(&running).await;
    let mut watching = Vec::new();
    for _ in 0..10 {
        let mut client = HealthClient::new(channel(running.addr));
        for _ in 0..100 {
            let mut one = client.watch(asked("")).await.unwrap().into_inner();
            assert_eq!(next(&mut one).await.unwrap(), Some(ServingStatus::Serving));
            watching.push(one);
        }
    }
    // One that takes nothing any more must not hold it either.
    let mut client = HealthClient::new(channel(running.addr));
    let idle = client.watch(asked("")).await.unwrap();
    let began = Instant::now();
    running.terminate();
    for one in &mut watching {
        assert_eq!(next(one).await.unwrap(), Some(ServingStatus::NotServing));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "while it still serves: {:?}", began.elapsed());
    let mut prices = super::grpc_app::client(&running);
    let answer = prices.quote(Request::new(text("still"))).await.unwrap();
    assert_eq!(answer.into_inner().service, "still");
    for one in &mut watching {
        assert_eq!(next(one).await.unwrap_err().code(), Code::Unavailable);
    }
    let report = ended(running).await;
    assert!(report.is_clean(), "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(idle);
}

async fn ended(mut running: Running) -> hardening::Report {
    timeout(PATIENCE, running.ended()).await.expect("in time")
}

/// Says what it sees: CHECK, MISSING, then each state.
const STOCK: &str = r#"
import sys, grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]))
ask = lambda service: health_pb2.HealthCheckRequest(service=service)
name = health_pb2.HealthCheckResponse.ServingStatus.Name
for service in ["", "shop.v1.Prices"]:
    print("check", name(stub.Check(ask(service), timeout=10).status), flush=True)
try:
    stub.Check(ask("shop.v1.None"), timeout=10)
except grpc.RpcError as error:
    print("missing", error.code().name, flush=True)
print("unknown", name(next(stub.Watch(ask("shop.v1.None"), timeout=10)).status), flush=True)
try:
    for state in stub.Watch(ask("shop.v1.Prices"), timeout=30):
        print("watch", name(state.status), flush=True)
except grpc.RpcError as error:
    print("ended", error.code().name, flush=True)
"#;

#[tokio::test]
async fn a_stock_client_checks_and_sees_the_drain() {
    let python = "python-grpcio-health-checking";
    let (running, _) = start("[shutdown]\npre_drain = '1s'").await;
    ready(&running).await;
    let mut stock = tokio::process::Command::new(python);
    stock.args(["-c", STOCK, &running.addr.to_string()]).stdout(Stdio::piped());
    let Some(mut stock) = spawned(&mut stock) else { return };
    let mut lines = BufReader::new(stock.stdout.take().expect("its output")).lines();
    let mut said =
        async || timeout(Duration::from_mins(1), lines.next_line()).await.expect("in time").unwrap();
    for expected in
        ["check SERVING", "check SERVING", "missing NOT_FOUND", "unknown SERVICE_UNKNOWN", "watch SERVING"]
    {
        assert_eq!(said().await.as_deref(), Some(expected));
    }
    running.terminate();
    assert_eq!(said().await.as_deref(), Some("watch NOT_SERVING"));
    assert_eq!(said().await.as_deref(), Some("ended UNAVAILABLE"));
    assert!(stock.wait().await.unwrap().success());
    assert!(ended(running).await.is_clean());
}

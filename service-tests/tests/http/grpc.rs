//! The policies around a gRPC channel: a real server, a real client.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardening::layer::{GrpcStatus, Layered, Propagate, Propagating, WithStatus, grpc_failed};
use hardening::{CircuitState, circuit, context, policies};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower_layer::Layer as _;

policies! {
    static DEADLINES = { deadline = 5s, timeout = 3s };
    static BREAKING = { circuit_breaker(consecutive = 3, open_for = 60s) };
    static CUT = { timeout = 100ms };
    static LIMITED = { rate_limited(1/h, burst = 1) };
    static NARROW = { bulkhead(max = 1), timeout = 5s };
    static QUEUED = { bulkhead(max = 1, queue = 1), timeout = 5s };
}

/// Answers what the name of the service says.
#[derive(Clone, Debug, Default)]
struct Scripted {
    asked: Arc<AtomicU32>,
    timeouts: Arc<Mutex<Vec<Option<String>>>>,
    ids: Arc<Mutex<Vec<Option<String>>>>,
}

#[tonic::async_trait]
impl Health for Scripted {
    async fn check(
        &self,
        asked: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let told = |name: &str| asked.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
        self.timeouts.lock().unwrap().push(told("grpc-timeout"));
        self.ids.lock().unwrap().push(told("x-request-id"));
        match asked.get_ref().service.as_str() {
            "down" => Err(Status::unavailable("down")),
            "unknown" => Err(Status::not_found("no such service")),
            "stuck" => std::future::pending().await,
            _ => Ok(Response::new(HealthCheckResponse { status: 1 })),
        }
    }

    type WatchStream = Streaming<HealthCheckResponse>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nobody watches"))
    }
}

async fn serve(service: Scripted) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().add_service(HealthServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

type Client =
    HealthClient<WithStatus<Layered<Propagating<Channel>, axum::http::Response<tonic::body::Body>>>>;

/// A server, and a client behind policies.
async fn start(policies: &'static hardening::layer::Policies) -> (Scripted, Client) {
    let service = Scripted::default();
    let address = serve(service.clone()).await;
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let channel = Propagate::new().layer(channel);
    let channel = policies.layer().failure_if(grpc_failed).layer(channel);
    (service, HealthClient::new(GrpcStatus::new().layer(channel)))
}

async fn ask(client: &mut Client, service: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    client.check(request).await.map(|answer| answer.into_inner().status)
}

/// Milliseconds, of a time that may stand in any unit.
fn millis(timeout: &str) -> u64 {
    let (digits, unit) = timeout.split_at(timeout.len() - 1);
    let length = match unit {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        _ => 1_000_000_000,
    };
    digits.parse::<u64>().unwrap() * length / 1_000_000
}

#[tokio::test]
async fn what_is_left_goes_out_as_the_grpc_timeout() {
    let (service, mut client) = start(&DEADLINES).await;
    let request = Arc::new(context::Request { id: "r-7".to_owned(), ..Default::default() });
    let deadline = tokio::time::Instant::now() + Duration::from_millis(1500);
    context::scope(request, Some(deadline), async { ask(&mut client, "").await.unwrap() }).await;
    // Without a deadline around it, the policies' own is told: the attempt's, which is the shorter one.
    ask(&mut client, "").await.unwrap();
    // A shorter one of the request's own stays.
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_millis(700));
    client.check(request).await.unwrap();
    let told: Vec<u64> =
        service.timeouts.lock().unwrap().iter().map(|told| millis(told.as_deref().unwrap())).collect();
    assert!((500..=1500).contains(&told[0]), "{told:?}: the request's");
    assert!((2000..=3000).contains(&told[1]), "{told:?}: the attempt's");
    assert!((500..=700).contains(&told[2]), "{told:?}: its own");
    assert_eq!(service.ids.lock().unwrap()[0].as_deref(), Some("r-7"));
}

#[tokio::test]
async fn a_circuit_opens_on_what_says_that_the_service_is_ill_and_its_refusal_is_a_status() {
    let (service, mut client) = start(&BREAKING).await;
    let circuit = circuit("grpc::BREAKING").unwrap();
    for _ in 0..5 {
        let status = ask(&mut client, "unknown").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no such service"));
    }
    assert_eq!(circuit.state(), CircuitState::Closed, "what does not exist says nothing against the service");
    for _ in 0..3 {
        assert_eq!(ask(&mut client, "down").await.unwrap_err().message(), "down");
    }
    assert_eq!(circuit.state(), CircuitState::Open);
    let status = ask(&mut client, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("circuit of grpc::BREAKING is open"), "{status:?}");
    let after: u64 =
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert!((30_000..=72_000).contains(&after), "{after}");
    assert_eq!(service.asked.load(Ordering::SeqCst), 8, "nothing was sent");
    circuit.close();
    assert_eq!(ask(&mut client, "").await.unwrap(), 1);
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cut_with_deadline_exceeded() {
    let (service, mut client) = start(&CUT).await;
    let status = ask(&mut client, "stuck").await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(service.asked.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&mut client, "").await.unwrap(), 1, "the channel is fit for the next one");
}

#[tokio::test]
async fn limits_refuse_with_their_own_statuses() {
    let (_, mut client) = start(&LIMITED).await;
    assert_eq!(ask(&mut client, "").await.unwrap(), 1);
    let status = ask(&mut client, "").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.metadata().contains_key("grpc-retry-pushback-ms"));
    let (service, client) = start(&NARROW).await;
    let mut first = client.clone();
    let stuck = tokio::spawn(async move { ask(&mut first, "stuck").await });
    hardening_service_tests::service::until("inside", || async { service.asked.load(Ordering::SeqCst) == 1 })
        .await;
    let status = ask(&mut client.clone(), "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    // Who gives up gives the place back.
    stuck.abort();
    assert!(stuck.await.unwrap_err().is_cancelled());
    assert_eq!(ask(&mut client.clone(), "").await.unwrap(), 1);
}

#[tokio::test]
async fn who_waits_for_a_place_has_not_sent_anything() {
    let (service, client) = start(&QUEUED).await;
    let asking = |name| {
        let mut client = client.clone();
        tokio::spawn(async move { ask(&mut client, name).await })
    };
    let first = asking("stuck");
    hardening_service_tests::service::until("inside", || async { service.asked.load(Ordering::SeqCst) == 1 })
        .await;
    let second = asking("");
    let mut metrics = String::new();
    hardening_service_tests::service::until("in the queue", || {
        metrics.clear();
        hardening::telemetry::calls::render(&mut metrics);
        let queued = metrics.contains("hardening_queue_depth{call=\"grpc::QUEUED\"} 1");
        async move { queued }
    })
    .await;
    // Time enough for what should not be on its way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(service.asked.load(Ordering::SeqCst), 1);
    first.abort();
    assert_eq!(second.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn an_error_of_the_channel_is_the_channel_s() {
    let (address, _bound) = hardening_service_tests::ports::refusing();
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let channel = CUT.layer().failure_if(grpc_failed).layer(Propagate::new().layer(channel));
    let mut client = HealthClient::new(GrpcStatus::new().layer(channel));
    assert_eq!(ask(&mut client, "").await.unwrap_err().code(), Code::Unavailable);
}

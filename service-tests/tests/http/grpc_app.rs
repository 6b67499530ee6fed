//! A service of gRPC and HTTP on one port, whose handlers do what the text of the request says.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use hardening::{
    Rejected, Running, Setup, bulkhead, context, hardened, hardened_service, rate_limited, retry, timeout,
};
use hardening_service_tests::prices::{Answer, Prices, PricesClient, PricesServer, Text, text};
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::app::{DEPENDENCIES, Dependencies};

/// What handlers must never tell.
pub(crate) const SECRET: &str = "hunter2";

/// What the handlers do now, and did.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Handlers and streams that work now.
    pub(crate) working: AtomicU32,
    /// Runs of the body that is repeated.
    pub(crate) runs: AtomicU32,
}

impl Seen {
    pub(crate) fn working(&self) -> u32 {
        self.working.load(Ordering::SeqCst)
    }

    fn begin(self: &Arc<Self>) -> Works {
        self.working.fetch_add(1, Ordering::SeqCst);
        Works(Arc::clone(self))
    }
}

/// Work, until it is dropped.
struct Works(Arc<Seen>);

impl Drop for Works {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::SeqCst);
    }
}

tokio::task_local! {
    static SEEN: Arc<Seen>;
}

#[hardened_service(name = "prices")]
async fn prices(setup: &mut Setup) -> (Router, Routes) {
    setup.provide(DEPENDENCIES.try_with(Clone::clone).unwrap_or_default());
    let http = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/spoken", post(|body: Bytes| async move { body.len().to_string() }));
    (http, Routes::new(PricesServer::new(Shop(SEEN.get()))))
}

#[hardened_service(name = "grpc-alone")]
pub(crate) async fn alone(setup: &mut Setup) -> hardening::Result<Routes> {
    setup.provide(Dependencies::default());
    Ok(Routes::new(PricesServer::new(Shop(Arc::default()))))
}

/// The service under these settings.
pub(crate) async fn start(settings: &str) -> (Running, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let started = SEEN.scope(Arc::clone(&seen), prices().with_settings(settings).start()).await;
    (started.unwrap_or_else(|error| panic!("{error}")), seen)
}

pub(crate) fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

pub(crate) fn client(running: &Running) -> PricesClient<Channel> {
    PricesClient::new(channel(running.addr))
}

/// The answer's text, or the status.
pub(crate) async fn quote(client: &mut PricesClient<Channel>, script: &str) -> Result<String, Status> {
    client.quote(Request::new(text(script))).await.map(|answer| answer.into_inner().service)
}

#[derive(Debug)]
struct Shop(Arc<Seen>);

#[tonic::async_trait]
impl Prices for Shop {
    type Stream = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

    #[hardened(name = "prices.quote", deadline = 20s)]
    async fn quote(&self, request: Request<Text>) -> Answer<Text> {
        let _works = self.0.begin();
        let script = request.into_inner().service;
        let answer = match script.as_str() {
            "stuck" => std::future::pending().await,
            "panic" => panic!("{SECRET}"),
            "left" => context::remaining().unwrap_or_default().as_millis().to_string(),
            "about" => {
                let request = context::current().expect("a request");
                format!("{} {}", request.route().unwrap_or("-"), request.id)
            }
            "timeout" => cut().await?,
            "limited" => limited().await?,
            "narrow" => self.narrow().await?,
            "retried" => self.retried().await?,
            "unimplemented" => return Err(Status::unimplemented("not yet")),
            "upstream" => {
                tokio::task::yield_now().await;
                return Err(Status::internal("failed to decode Protobuf message: invalid varint"));
            }
            "late" => {
                tokio::time::sleep(context::remaining().unwrap_or_default().mul_f64(0.95)).await;
                return Err(Status::internal("no time is left"));
            }
            "missing" => return Err(Status::not_found("no such price")),
            kind if kind.starts_with("refused ") => return Err(refused(kind).into()),
            other => other.to_owned(),
        };
        Ok(Response::new(text(answer)))
    }

    async fn feed(&self, request: Request<Text>) -> Answer<Self::Stream> {
        let works = self.0.begin();
        let script = request.into_inner().service;
        let (sender, receiver) = mpsc::channel(4);
        let panics = script == "panic";
        tokio::spawn(async move {
            let many = script.parse().unwrap_or(2);
            for at in 0..many {
                if sender.send(Ok(text(at.to_string()))).await.is_err() {
                    return;
                }
            }
            match script.as_str() {
                "fails" => drop(sender.send(Err(Status::data_loss("torn"))).await),
                "stuck" => sender.closed().await,
                _ => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(move |item| {
            let _ = &works;
            assert!(!panics || item.as_ref().is_ok_and(|item| item.service == "0"), "{SECRET}");
            item
        }))))
    }

    #[timeout(20s)]
    #[bulkhead(max = 50)]
    async fn talk(&self, request: Request<Streaming<Text>>) -> Answer<Self::Stream> {
        let works = self.0.begin();
        Ok(Response::new(Box::pin(request.into_inner().map(move |item| {
            let _ = &works;
            item
        }))))
    }
}

impl Shop {
    #[bulkhead(max = 1)]
    async fn narrow(&self) -> Result<String, Status> {
        std::future::pending().await
    }

    #[retry(attempts = 3, backoff = 1ms, idempotent)]
    async fn retried(&self) -> Result<String, Status> {
        match self.0.runs.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Err(Status::unavailable("not yet")),
            runs => Ok(format!("run {}", runs + 1)),
        }
    }
}

#[timeout(50ms)]
async fn cut() -> Result<String, Status> {
    std::future::pending().await
}

#[rate_limited(1/h, burst = 1)]
async fn limited() -> Result<String, Status> {
    Ok("admitted".to_owned())
}

/// Every refusal, by its kind.
pub(crate) fn refusals() -> Vec<Rejected> {
    let second = Duration::from_secs(1);
    vec![
        Rejected::Timeout { call: SECRET, after: second },
        Rejected::DeadlineExceeded { call: SECRET },
        Rejected::CircuitOpen { circuit: SECRET, retry_after: second.mul_f64(1.5) },
        Rejected::RateLimited { limiter: SECRET, retry_after: second, limit: 5, remaining: 0 },
        Rejected::BulkheadFull { call: SECRET, limit: 5 },
        Rejected::StoreUnavailable { store: SECRET },
        Rejected::IdempotencyConflict { retry_after: second * 7 },
        Rejected::IdempotencyMismatch,
        Rejected::IdempotencyKeyMissing,
        Rejected::LoadFailed { call: SECRET, cause: Some(SECRET.into()) },
        Rejected::Unauthenticated,
        Rejected::Forbidden { scope: SECRET },
        Rejected::ShuttingDown,
    ]
}

fn refused(script: &str) -> Rejected {
    let kind = script.strip_prefix("refused ").unwrap_or_default();
    refusals().into_iter().find(|refusal| refusal.kind() == kind).expect("a refusal of this kind")
}

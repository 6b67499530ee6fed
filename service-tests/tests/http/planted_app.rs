//! A service that leaks wherever code can: in what it logs, answers, panics with and asks others for.

use std::pin::Pin;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use hardening::http::Client;
use hardening::{
    BoxError, Json, Problem, Query, Result, SecretHandle, Setup, Valid, circuit_breaker, context, fallback,
    hardened, hardened_service, requires, retry,
};
use hardening_service_tests::prices::{Answer, Prices, PricesServer, Text, text};
use serde::Deserialize;
use tonic::codegen::tokio_stream::{Stream, iter};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::app::{Dependencies, Dependency};

/// A text of a driver that says too much.
fn leak(secret: &str) -> String {
    format!("postgres://app:{secret}@db:5432 refused, api_key={secret}, {{\"token\": \"{secret}\"}}")
}

/// Secrets that the code has, and a client that sends them on.
#[derive(Clone)]
struct Leaky {
    secret: SecretHandle,
    client: Client,
}

impl Leaky {
    /// What nothing but its value gives away.
    fn bare(&self) -> String {
        format!("cannot log in with {}", self.secret.current().expose())
    }
}

#[hardened_service(name = "leaky")]
pub(crate) async fn leaky(setup: &mut Setup) -> Result<(Router, Routes)> {
    let check = Dependency::Fails("postgres://app:planted-in-a-check@db:5432 refused");
    setup.provide(Dependencies { shared: check, ..Dependencies::default() });
    let leaky = Leaky { secret: setup.secret("db_password").await?, client: Client::new() };
    let grpc = Routes::new(PricesServer::new(leaky.clone()));
    let routes = Router::new()
        .route("/call", get(called))
        .route("/value", get(async |State(leaky): State<Leaky>| failed(&leaky.bare())))
        .route("/panic", get(panics))
        .route("/spawned", get(spawned))
        .route("/warned", get(warned))
        .route("/asked", get(asked))
        .route("/rescued", get(async || rescued().await.map_err(|error| failed(&error.to_string()))))
        .route("/error", get(async || failed(&leak("planted-in-an-error"))))
        .route("/problem", get(async || Problem::validation().detail(leak("planted-in-a-problem"))))
        .route("/required", get(async || required().await.map(|()| "yours")))
        .route("/orders", post(async |_: Valid<Json<Order>>| "ordered"))
        .route("/search", get(async |_: Query<Search>| "found"));
    Ok((routes.with_state(leaky), grpc))
}

fn failed(why: &str) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, why.to_owned())
}

async fn called(State(leaky): State<Leaky>) -> std::result::Result<String, (StatusCode, String)> {
    call(&leaky).await.map_err(|error| failed(&error.to_string()))
}

#[retry(attempts = 2, backoff = 1ms..2ms, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 2, open_for = 1s)]
async fn call(leaky: &Leaky) -> std::result::Result<String, BoxError> {
    Err(format!("{}; {}", leak("planted-in-a-call"), leaky.bare()).into())
}

async fn panics(State(leaky): State<Leaky>) -> &'static str {
    panic!("{}; {}", leaky.bare(), leak("planted-in-a-panic"))
}

async fn spawned(State(leaky): State<Leaky>) -> &'static str {
    let spawned = context::spawn(async move { panic!("{}", leaky.bare()) });
    if spawned.await.is_err() { "panicked" } else { "fine" }
}

async fn warned(State(leaky): State<Leaky>) -> &'static str {
    let error: BoxError = leak("planted-in-a-cause").into();
    tracing::warn!(
        password = "planted-in-a-field",
        url = "https://u:planted-in-a-url@h/x?token=planted-in-a-parameter",
        error = &*error,
        "{}",
        leaky.bare()
    );
    inside(&leaky.bare(), "planted-in-a-span").await;
    "warned"
}

#[hardened(span_fields(told, client_secret))]
async fn inside(told: &str, client_secret: &str) {
    tracing::error!(told, of = client_secret.len(), "Bearer planted-in-a-message-0A1b");
}

async fn asked(State(leaky): State<Leaky>) -> (StatusCode, String) {
    // Nobody listens there.
    let url = "http://127.0.0.1:9/stock?token=planted-in-an-outgoing-url";
    let sent =
        leaky.client.get(url).header("authorization", "Bearer planted-in-an-outgoing-field").send().await;
    match sent {
        Ok(_) => (StatusCode::OK, String::new()),
        Err(error) => {
            tracing::error!(%error, debug = ?error, "nobody there");
            (StatusCode::BAD_GATEWAY, format!("{error}: {error:?}"))
        }
    }
}

#[fallback(Ok("instead"))]
async fn rescued() -> std::result::Result<&'static str, BoxError> {
    Err(leak("planted-behind-a-fallback").into())
}

#[requires("orders:write")]
async fn required() -> std::result::Result<(), hardening::Rejected> {
    Ok(())
}

#[derive(Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Order {
    #[garde(length(max = 8))]
    password: String,
    #[garde(skip)]
    access_token: u32,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its shape counts")]
struct Search {
    token: u32,
}

#[tonic::async_trait]
impl Prices for Leaky {
    type Stream = Pin<Box<dyn Stream<Item = std::result::Result<Text, Status>> + Send>>;

    async fn quote(&self, request: Request<Text>) -> Answer<Text> {
        match request.into_inner().service.as_str() {
            "panic" => panic!("{}; {}", self.bare(), leak("planted-in-a-panic-of-grpc")),
            "value" => Err(Status::internal(self.bare())),
            "details" => {
                let said = leak("planted-in-details");
                Err(Status::with_details(tonic::Code::Unavailable, said.clone(), said.into()))
            }
            _ => Err(Status::internal(leak("planted-in-a-status"))),
        }
    }

    async fn feed(&self, request: Request<Text>) -> Answer<Self::Stream> {
        let (first, bare) = (Ok(text("first")), self.bare());
        let last = async move {
            assert!(request.into_inner().service != "panic", "{bare}");
            Err(Status::data_loss(format!("{bare}; {}", leak("planted-in-trailers"))))
        };
        // What comes last is made when it is asked for, in the middle of the answer.
        let items = iter([first]);
        Ok(Response::new(Box::pin(tonic::codegen::tokio_stream::StreamExt::chain(
            items,
            Last(Some(Box::pin(last))),
        ))))
    }

    async fn talk(&self, _: Request<Streaming<Text>>) -> Answer<Self::Stream> {
        Err(Status::unimplemented(leak("planted-in-a-head")))
    }
}

type Item = std::result::Result<Text, Status>;

/// One item that a future makes.
struct Last(Option<Pin<Box<dyn Future<Output = Item> + Send>>>);

impl Stream for Last {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Item>> {
        let Some(item) = &mut self.0 else { return std::task::Poll::Ready(None) };
        let item = std::task::ready!(item.as_mut().poll(cx));
        self.0 = None;
        std::task::Poll::Ready(Some(item))
    }
}

//! The service that is replaced: HTTP and gRPC on one port.

use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hardening::{hardened, hardened_service, timeout};
use hardening_service_tests::prices::{Answer, Prices, PricesServer, Text, text};
use tokio::time::sleep;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt as _};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// What every request is answered.
pub(crate) const ANSWER: &str = "here it is";

#[hardened_service(name = "replaced")]
pub(crate) async fn service() -> (Router, Routes) {
    (Router::new().route("/work", get(work)), Routes::new(PricesServer::new(Replaced)))
}

#[hardened]
#[timeout(5s)]
async fn work() -> Result<&'static str, hardening::Rejected> {
    // Long enough that a replacement always finds requests under way.
    sleep(Duration::from_millis(20)).await;
    Ok(ANSWER)
}

#[derive(Debug)]
struct Replaced;

#[tonic::async_trait]
impl Prices for Replaced {
    type Stream = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

    #[hardened(name = "replaced.quote", deadline = 5s)]
    async fn quote(&self, _: Request<Text>) -> Answer<Text> {
        sleep(Duration::from_millis(20)).await;
        Ok(Response::new(text(ANSWER)))
    }

    /// The words of the answer, one after the other.
    async fn feed(&self, _: Request<Text>) -> Answer<Self::Stream> {
        let words = tokio_stream::iter(ANSWER.split(' ').map(|word| Ok(text(word))));
        Ok(Response::new(Box::pin(words.then(async |word| {
            sleep(Duration::from_millis(10)).await;
            word
        }))))
    }

    async fn talk(&self, request: Request<Streaming<Text>>) -> Answer<Self::Stream> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}

//! A gRPC service with a method of each kind, as generated code would have it. Its messages are those that tonic's health
//! service brings along: one text each.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codegen::tokio_stream::Stream;
use tonic::codegen::{BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// A message of one text.
pub type Text = tonic_health::pb::HealthCheckRequest;

pub fn text(text: impl Into<String>) -> Text {
    Text { service: text.into() }
}

/// What a call of the service answers.
pub type Answer<T> = Result<Response<T>, Status>;

/// What is implemented of it.
#[tonic::async_trait]
pub trait Prices: Send + Sync + 'static {
    type Stream: Stream<Item = Result<Text, Status>> + Send + 'static;

    async fn quote(&self, request: Request<Text>) -> Answer<Text>;
    async fn feed(&self, request: Request<Text>) -> Answer<Self::Stream>;
    async fn talk(&self, request: Request<Streaming<Text>>) -> Answer<Self::Stream>;
}

/// The service around an implementation.
#[derive(Debug)]
pub struct PricesServer<T>(Arc<T>);

impl<T> PricesServer<T> {
    pub fn new(inner: T) -> Self {
        Self(Arc::new(inner))
    }
}

impl<T> Clone for PricesServer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> NamedService for PricesServer<T> {
    const NAME: &'static str = "shop.v1.Prices";
}

struct Quote<T>(Arc<T>);

impl<T: Prices> UnaryService<Text> for Quote<T> {
    type Response = Text;
    type Future = BoxFuture<Response<Text>, Status>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.quote(request).await })
    }
}

struct Feed<T>(Arc<T>);

impl<T: Prices> ServerStreamingService<Text> for Feed<T> {
    type Response = Text;
    type ResponseStream = T::Stream;
    type Future = BoxFuture<Response<T::Stream>, Status>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.feed(request).await })
    }
}

struct Talk<T>(Arc<T>);

impl<T: Prices> StreamingService<Text> for Talk<T> {
    type Response = Text;
    type ResponseStream = T::Stream;
    type Future = BoxFuture<Response<T::Stream>, Status>;

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.talk(request).await })
    }
}

impl<T: Prices> Service<http::Request<Body>> for PricesServer<T> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Text, Text>::default());
            Ok(match request.uri().path() {
                "/shop.v1.Prices/Quote" => grpc.unary(Quote(inner), request).await,
                "/shop.v1.Prices/Feed" => grpc.server_streaming(Feed(inner), request).await,
                "/shop.v1.Prices/Talk" => grpc.streaming(Talk(inner), request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// The client.
#[derive(Clone, Debug)]
pub struct PricesClient<T>(Client<T>);

impl<T> PricesClient<T>
where
    T: tonic::client::GrpcService<Body>,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    pub fn new(channel: T) -> Self {
        Self(Client::new(channel))
    }

    /// A unary call of any method.
    pub async fn call(&mut self, path: &'static str, request: Request<Text>) -> Answer<Text> {
        self.ready().await?;
        let path = http::uri::PathAndQuery::from_static(path);
        self.0.unary(request, path, ProstCodec::default()).await
    }

    pub async fn quote(&mut self, request: Request<Text>) -> Answer<Text> {
        self.call("/shop.v1.Prices/Quote", request).await
    }

    pub async fn feed(&mut self, request: Request<Text>) -> Answer<Streaming<Text>> {
        self.ready().await?;
        let path = http::uri::PathAndQuery::from_static("/shop.v1.Prices/Feed");
        self.0.server_streaming(request, path, ProstCodec::default()).await
    }

    pub async fn talk(
        &mut self,
        request: Request<impl Stream<Item = Text> + Send + 'static>,
    ) -> Answer<Streaming<Text>> {
        self.ready().await?;
        let path = http::uri::PathAndQuery::from_static("/shop.v1.Prices/Talk");
        self.0.streaming(request, path, ProstCodec::default()).await
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))
    }
}

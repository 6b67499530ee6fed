//! A client whose requests carry what is left of the deadline, the request's id and the trace.

use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::context;

/// A layer for clients, of HTTP and gRPC: each request says how much time is left for it (`x-request-timeout-ms`, or
/// `grpc-timeout` where its content type is gRPC's), so that nobody works for an answer that comes too late, and carries the
/// `x-request-id` of the request that it belongs to, and its place in the trace (`traceparent`, `tracestate`). A header that the
/// request has already is left alone, except a timeout that is longer than what is left; `tracestate` belongs to the
/// `traceparent` that stands with it.
///
/// Times are relative, so clocks need not agree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Propagate(());

impl Propagate {
    /// The layer.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for Propagate {
    type Service = Propagating<S>;

    fn layer(&self, inner: S) -> Propagating<S> {
        Propagating { inner }
    }
}

/// A client that tells what is left.
#[derive(Clone, Debug)]
pub struct Propagating<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Propagating<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        tell(request.headers_mut(), false);
        self.inner.call(request)
    }
}

/// Writes what the request around it tells into the header fields of one that is sent now; `spanned` where the span around this
/// is that of the request to be sent.
pub(crate) fn tell(headers: &mut HeaderMap, spanned: bool) {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let grpc = kind.is_some_and(|kind| kind.starts_with("application/grpc"));
    let outgoing = context::told(spanned);
    let told = if grpc { outgoing.grpc_headers() } else { outgoing.headers() };
    let traced = headers.contains_key("traceparent");
    for (name, value) in told {
        if traced && name == "tracestate" {
            continue;
        }
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            continue;
        };
        let longer = matches!(name.as_str(), "x-request-timeout-ms" | "grpc-timeout")
            && headers.get(&name).is_some_and(|given| context::is_longer(given.as_bytes(), value.as_bytes()));
        if longer || !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
}

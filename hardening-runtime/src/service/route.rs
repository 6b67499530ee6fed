//! The one layer around every route: it notes which route matched, and opens the request's context.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{BodyFate, Fated};
use super::server::Server;
use crate::context::{self, Principal, Trace};
use crate::policy::idempotency::Digest;
use crate::telemetry::http::RouteStats;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One request while it is answered; shared by its handler, its body and its answer.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) server: Arc<Server>,
    pub(crate) id: String,
    pub(crate) trace: Trace,
    pub(crate) client: IpAddr,
    pub(crate) principal: Option<Principal>,
    pub(crate) deadline: Instant,
    pub(crate) route: OnceLock<Arc<RouteStats>>,
    pub(crate) fate: BodyFate,
    /// What was asked, where an idempotency key says that it may be asked again.
    pub(crate) digest: Option<Arc<Digest>>,
    /// What its handler and its answer's body run within.
    pub(crate) request: OnceLock<Arc<context::Request>>,
}

impl Live {
    fn matched(&self, route: &Arc<RouteStats>) {
        if self.route.set(Arc::clone(route)).is_ok() {
            route.began();
        }
    }
}

impl Fated for Live {
    fn fate(&self) -> &BodyFate {
        &self.fate
    }

    fn digest(&self) -> Option<&Digest> {
        self.digest.as_deref()
    }
}

/// Makes a [`Noted`] of each route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoteRoute;

impl<S> Layer<S> for NoteRoute {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        Noted { inner, known: Arc::new(OnceLock::new()) }
    }
}

/// A route that says what it is.
#[derive(Clone, Debug)]
pub(crate) struct Noted<S> {
    inner: S,
    /// The counts of the first route seen here, which is the only one.
    known: Arc<OnceLock<Arc<RouteStats>>>,
}

impl<S> Noted<S> {
    fn stats(&self, server: &Server, pattern: &str) -> Arc<RouteStats> {
        let known = self.known.get_or_init(|| server.stats.route(pattern));
        if &*known.route == pattern { Arc::clone(known) } else { server.stats.route(pattern) }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S> Service<Request> for Noted<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Answer {
        let Some(live) = request.extensions().get::<Arc<Live>>().cloned() else {
            return Box::pin(self.inner.call(request));
        };
        let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
        match &route {
            Some(pattern) => live.matched(&self.stats(&live.server, pattern)),
            None => live.matched(live.server.stats.unmatched()),
        }
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let around = Arc::new(context::Request {
            id: live.id.clone(),
            trace: Some(live.trace.clone()),
            client_ip: Some(live.client),
            principal: live.principal.clone(),
            route,
            idempotency_key: request.headers().get(IDEMPOTENCY_KEY).and_then(text),
            digest: live.digest.clone(),
            ..context::Request::default()
        });
        let _ = live.request.set(Arc::clone(&around));
        Box::pin(context::scope(around, Some(live.deadline), self.inner.call(request)))
    }
}

//! The one layer around every gRPC service: it learns which methods there are, and opens the request's context.
//!
//! Whoever calls chooses the path, so a method gets counts of its own only when its service shows that there is one: by
//! an answer other than UNIMPLEMENTED, or by taking its time, which nothing does that is not there.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use tower_layer::Layer;
use tower_service::Service;

use super::code_of;
use crate::context;
use crate::service::route::{Live, Made};
use crate::service::server::Server;
use crate::telemetry::http::RouteStats;

/// Methods of one service with counts of their own; there may be an interceptor that answers for those that are not there.
const MOST: usize = 128;
const UNIMPLEMENTED: u8 = 12;

/// The services, ready to be called, and how many of their methods can have counts of their own.
pub(in crate::service) fn prepared(services: Router) -> (Router, usize) {
    let noted = |services: Router| {
        let made = Made::default();
        let services = services.layer(NoteMethod(made.clone())).with_state(());
        (services, made.count())
    };
    let (services, count) = noted(services);
    let none = noted(Router::new().fallback(async || {})).1;
    // Each service's other methods share one more.
    (services, count.saturating_sub(none) * (MOST + 1))
}

/// Whether there is a service of this name.
pub(super) async fn serves(services: &Router, name: &str) -> bool {
    let known = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    if name.is_empty() || !known {
        return false;
    }
    let asks = Asks(Arc::default());
    let Ok(request) =
        http::Request::builder().uri(format!("/{name}/-")).extension(asks.clone()).body(Body::empty())
    else {
        return false;
    };
    let Ok(_) = services.clone().call(request).await;
    asks.0.load(Ordering::Acquire)
}

/// In a request that nobody sent: set by the service that it leads to.
#[derive(Clone, Debug)]
struct Asks(Arc<AtomicBool>);

/// Makes a [`Noted`] of each service.
#[derive(Clone, Debug)]
struct NoteMethod(Made);

impl<S> Layer<S> for NoteMethod {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        self.0.one_more();
        Noted { inner, methods: Arc::new(Methods([const { OnceLock::new() }; MOST])) }
    }
}

/// A service that says which method was called.
#[derive(Clone, Debug)]
struct Noted<S> {
    inner: S,
    methods: Arc<Methods>,
}

/// The methods that there are, in the order in which they were first called.
#[derive(Debug)]
struct Methods([OnceLock<Arc<RouteStats>>; MOST]);

impl Methods {
    fn find(&self, path: &str) -> Option<&Arc<RouteStats>> {
        self.0.iter().map_while(OnceLock::get).find(|known| &*known.route == path)
    }

    /// The counts of the method with this path, which there is.
    fn learn(&self, server: &Server, path: &str) -> Arc<RouteStats> {
        let mut slots = self.0.iter().map(|slot| slot.get_or_init(|| server.stats.method(path)));
        slots.find(|known| &*known.route == path).map_or_else(|| other(server, path), Arc::clone)
    }
}

/// The counts that all other methods of a service share.
fn other(server: &Server, path: &str) -> Arc<RouteStats> {
    // A path of more parts leads to the service as well, and the client has chosen them.
    match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
        Some((service, _)) if !service.is_empty() => server.stats.method(&format!("/{service}/other")),
        _ => Arc::clone(server.stats.unmatched()),
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
        let matched = request.extensions().get::<MatchedPath>().is_some();
        if let Some(asks) = request.extensions().get::<Asks>() {
            asks.0.store(matched, Ordering::Release);
            return Box::pin(async { Ok(Response::default()) });
        }
        let Some(live) = request.extensions().get::<Arc<Live>>().cloned() else {
            return Box::pin(self.inner.call(request));
        };
        let path = request.uri().path().to_owned();
        let known = match self.methods.find(&path) {
            Some(known) => Some(known),
            None if !matched => Some(live.server.stats.unmatched()),
            None => None,
        };
        let around = live.around(matched.then(|| path.clone()), request.headers());
        let deadline = Some(live.deadline);
        if let Some(known) = known {
            live.matched(known);
            Box::pin(context::scope(around, deadline, self.inner.call(request)))
        } else {
            let (handler, methods) = (self.inner.call(request), Arc::clone(&self.methods));
            Box::pin(context::scope(around, deadline, learning(handler, methods, live, path)))
        }
    }
}

/// Runs what may be a method's first call, and learns whether it is one.
async fn learning<F>(handler: F, methods: Arc<Methods>, live: Arc<Live>, path: String) -> F::Output
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let mut handler = std::pin::pin!(handler);
    let first =
        std::future::poll_fn(|cx| Poll::Ready(catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)))));
    let first = first.await;
    let missing =
        matches!(&first, Ok(Poll::Ready(Ok(answer))) if code_of(answer.headers()) == Some(UNIMPLEMENTED));
    let stats = if missing { other(&live.server, &path) } else { methods.learn(&live.server, &path) };
    live.matched(&stats);
    match first {
        Ok(Poll::Ready(answer)) => answer,
        Ok(Poll::Pending) => handler.await,
        Err(panic) => resume_unwind(panic),
    }
}

//! The one layer around every gRPC service: it learns which methods there are, and opens the request's context.
//!
//! Whoever calls chooses the path, so a method gets counts of its own only when its service shows that there is one: by
//! an answer other than UNIMPLEMENTED, or by taking its time, which nothing does that is not there. Who may not call, or is
//! one too many, is refused before the service is asked.

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
use http::StatusCode;
use http_body::Body as _;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::code_of;
use super::messages::Messages;
use crate::service::body::Bounded;
use crate::service::problem::Problem;
use crate::service::request::too_large;
use crate::service::route::{Live, Made};
use crate::service::server::Server;
use crate::service::shed::{Overloaded, Place, Shed, Usual};
use crate::telemetry::http::RouteStats;
use crate::{Rejected, context};

/// Methods of one service with counts of their own; there may be an interceptor that answers for those that are not there.
const MOST: usize = 128;
const UNIMPLEMENTED: u8 = 12;
/// What failed says nothing about how long an answer takes: UNKNOWN, `DEADLINE_EXCEEDED`, INTERNAL, UNAVAILABLE,
/// `DATA_LOSS`.
const FAILED: [u8; 5] = [2, 4, 13, 14, 15];

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
    if !is_name(name) {
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
        Noted { inner, methods: Arc::new(Methods([const { OnceLock::new() }; MOST])), usual: Arc::default() }
    }
}

/// A service that says which method was called.
#[derive(Clone, Debug)]
struct Noted<S> {
    inner: S,
    methods: Arc<Methods>,
    /// How long calls of methods without counts of their own usually take.
    usual: Arc<Usual>,
}

/// The methods that there are, in the order in which they were first called.
#[derive(Debug)]
struct Methods([OnceLock<Method>; MOST]);

/// One method.
#[derive(Debug)]
struct Method {
    stats: Arc<RouteStats>,
    /// How long its calls usually take.
    usual: Arc<Usual>,
}

impl Methods {
    fn find(&self, path: &str) -> Option<&Method> {
        self.0.iter().map_while(OnceLock::get).find(|known| &*known.stats.route == path)
    }

    /// The counts of the method with this path, which there is.
    fn learn(&self, server: &Server, path: &str, pattern: &MatchedPath) -> Arc<RouteStats> {
        let method = || Method { stats: server.stats.method(path), usual: Arc::default() };
        let mut slots = self.0.iter().map(|slot| &slot.get_or_init(method).stats);
        slots.find(|known| &*known.route == path).map_or_else(|| other(server, pattern), Arc::clone)
    }
}

/// The counts that all other methods of a service share. The router's pattern names it, and nothing that a caller chooses.
fn other(server: &Server, pattern: &MatchedPath) -> Arc<RouteStats> {
    let service = pattern.as_str().split("/{").next().unwrap_or_default();
    server.stats.method(&format!("{service}/other"))
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
        let pattern = request.extensions().get::<MatchedPath>();
        if let Some(asks) = request.extensions().get::<Asks>() {
            asks.0.store(pattern.is_some(), Ordering::Release);
            return Box::pin(async { Ok(Response::default()) });
        }
        let Some(live) = Live::handed() else {
            return Box::pin(self.inner.call(request));
        };
        let path = request.uri().path().to_owned();
        let pattern = pattern.cloned();
        let method = self.methods.find(&path);
        let request = match bounded(&live, request, pattern.as_ref().is_some_and(is_service)) {
            Ok(request) => request,
            Err(problem) => {
                let refused = problem.answer(Some(&live.request.id));
                return turned_away(&live, method, pattern.as_ref(), refused);
            }
        };
        // Whoever calls chooses the path, but only its own service answers to it.
        if let Some(refused) = refused(&live, pattern.is_some().then_some(path.as_str())) {
            return turned_away(&live, method, pattern.as_ref(), refused);
        }
        let priority = live.server.shed.of(&path);
        let usual = method.map_or(&self.usual, |method| &method.usual);
        let place = match Shed::admit(Arc::clone(&live), priority, usual) {
            Ok(place) => place,
            Err(Overloaded) => {
                return turned_away(&live, method, pattern.as_ref(), Overloaded::answer(&live.request.id));
            }
        };
        let around = live.around(pattern.is_some().then(|| Arc::from(&*path)));
        let deadline = live.deadline;
        let known = method.map(|method| &method.stats);
        match (known, pattern) {
            (None, Some(pattern)) => {
                let handler = counted(place, self.inner.call(request));
                let methods = Arc::clone(&self.methods);
                Box::pin(context::scoped(around, deadline, learning(handler, methods, live, path, pattern)))
            }
            (known, _) => {
                live.matched(known.unwrap_or(live.server.stats.unmatched()));
                Box::pin(context::scoped(around, deadline, counted(place, self.inner.call(request))))
            }
        }
    }
}

/// Whether this is how a service of gRPC is routed; a router that was made a service of may hold other routes as well.
fn is_service(pattern: &MatchedPath) -> bool {
    let name = pattern.as_str().strip_prefix('/').and_then(|path| path.strip_suffix("/{*rest}"));
    name.is_some_and(is_name)
}

/// Whether a service may have this name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
}

/// The request within limits: of a service of gRPC each message has those of a body, of everything else the body itself.
fn bounded(live: &Arc<Live>, request: Request, service: bool) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (limit, time) = (live.server.settings.http.body_limit, live.server.settings.http.body_timeout);
    if !service && request.body().size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    let live = Arc::clone(live);
    Ok(request.map(|body| {
        if service {
            Body::new(Messages::new(body, limit, time, live))
        } else {
            Body::new(Bounded::new(body, limit, Instant::now() + time, live))
        }
    }))
}

/// What is said to somebody who may not call.
fn refused(live: &Live, route: Option<&str>) -> Option<Response> {
    let auth = live.server.auth.as_ref()?;
    let admitted = auth.admits(live.request.principal.as_ref(), route);
    (!admitted).then(|| Problem::from(&Rejected::Unauthenticated).answer(Some(&live.request.id)))
}

/// The refusal of a call whose method is not asked, and so not learnt.
fn turned_away(
    live: &Live,
    method: Option<&Method>,
    pattern: Option<&MatchedPath>,
    answer: Response,
) -> Answer {
    match (method, pattern) {
        (Some(method), _) => live.matched(&method.stats),
        (None, Some(pattern)) => live.matched(&other(&live.server, pattern)),
        (None, None) => live.matched(live.server.stats.unmatched()),
    }
    Box::pin(std::future::ready(Ok(answer)))
}

/// Keeps the place of a call until the head of its answer is ready.
async fn counted<F>(place: Option<Place>, handler: F) -> F::Output
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let answer = handler.await;
    if let (Some(place), Ok(answer)) = (place, &answer) {
        // Over HTTP every answer of gRPC is a success.
        let failed = code_of(answer.headers()).is_some_and(|code| FAILED.contains(&code));
        place.answered(if failed { StatusCode::INTERNAL_SERVER_ERROR } else { answer.status() });
    }
    answer
}

/// Runs what may be a method's first call, and learns whether it is one.
async fn learning<F>(
    handler: F,
    methods: Arc<Methods>,
    live: Arc<Live>,
    path: String,
    pattern: MatchedPath,
) -> F::Output
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let mut handler = std::pin::pin!(handler);
    let first =
        std::future::poll_fn(|cx| Poll::Ready(catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)))));
    let first = first.await;
    let missing =
        matches!(&first, Ok(Poll::Ready(Ok(answer))) if code_of(answer.headers()) == Some(UNIMPLEMENTED));
    let stats =
        if missing { other(&live.server, &pattern) } else { methods.learn(&live.server, &path, &pattern) };
    live.matched(&stats);
    match first {
        Ok(Poll::Ready(answer)) => answer,
        Ok(Poll::Pending) => handler.await,
        Err(panic) => resume_unwind(panic),
    }
}

//! The one layer around every route: it notes which route matched, and opens the request's context.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{BodyFate, Fated};
use super::problem::Problem;
use super::server::Server;
use super::shed::{Overloaded, Priority, Shed, Usual};
use crate::Rejected;
use crate::context::{self, Principal, Trace};
use crate::policy::idempotency::Digest;
use crate::telemetry::http::{RouteStats, UNMATCHED};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One request while it is answered; shared by its handler, its body and its answer.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) server: Arc<Server>,
    pub(crate) id: String,
    pub(crate) trace: Trace,
    pub(crate) client: Option<IpAddr>,
    /// What a trusted proxy says of how much the request matters.
    pub(crate) priority: Option<Priority>,
    /// Who is calling, and on whose behalf.
    pub(crate) principal: Option<Principal>,
    pub(crate) tenant: Option<String>,
    pub(crate) deadline: Instant,
    pub(crate) route: OnceLock<Arc<RouteStats>>,
    pub(crate) fate: BodyFate,
    /// What was asked, where an idempotency key says that it may be asked again.
    pub(crate) digest: Option<Arc<Digest>>,
    /// What its handler and its answer's body run within.
    pub(crate) request: OnceLock<Arc<context::Request>>,
}

impl Live {
    pub(super) fn matched(&self, route: &Arc<RouteStats>) {
        if self.route.set(Arc::clone(route)).is_ok() {
            route.began();
        }
    }

    /// What the route's handler runs within, and its answer's body.
    pub(super) fn around(&self, route: Option<String>, headers: &HeaderMap) -> Arc<context::Request> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let around = Arc::new(context::Request {
            id: self.id.clone(),
            trace: Some(self.trace.clone()),
            client_ip: self.client,
            principal: self.principal.clone(),
            route,
            idempotency_key: headers.get(IDEMPOTENCY_KEY).and_then(text),
            digest: self.digest.clone(),
            tenant: self.tenant.clone(),
        });
        let _ = self.request.set(Arc::clone(&around));
        around
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

/// How many services a layer was put around.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made(Arc<AtomicUsize>);

impl Made {
    pub(crate) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes a [`Noted`] of each route.
#[derive(Clone, Debug)]
struct NoteRoute(Made);

/// The routes, ready to be asked, and a number that is not below that of their patterns: there is a service for each method
/// of each, and one for all others.
pub(crate) fn prepared(routes: Router) -> (Router, usize) {
    let noted = |routes: Router| {
        let made = Made::default();
        // `with_state` builds each route's services once instead of at each request.
        let routes = routes.layer(NoteRoute(made.clone())).with_state(());
        (routes, made.count())
    };
    let (routes, count) = noted(routes);
    (routes, count.saturating_sub(noted(Router::new()).1))
}

impl<S> Layer<S> for NoteRoute {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        self.0.one_more();
        Noted { inner, known: Arc::new(OnceLock::new()) }
    }
}

/// A route that says what it is.
#[derive(Clone, Debug)]
pub(crate) struct Noted<S> {
    inner: S,
    /// The first route seen here, which is the only one.
    known: Arc<OnceLock<Known>>,
}

/// What is known of one route.
#[derive(Clone, Debug)]
struct Known {
    stats: Arc<RouteStats>,
    priority: Priority,
    /// How long its requests usually take: those that read, and those that write.
    usual: [Arc<Usual>; 2],
}

impl Known {
    fn of(server: &Server, pattern: Option<&str>) -> Self {
        let (stats, priority) = match pattern {
            Some(pattern) => (server.stats.route(pattern), server.shed.of(pattern)),
            None => (Arc::clone(server.stats.unmatched()), Priority::default()),
        };
        Self { stats, priority, usual: Default::default() }
    }
}

impl<S> Noted<S> {
    fn route(&self, server: &Server, pattern: Option<&str>) -> Cow<'_, Known> {
        let known = self.known.get_or_init(|| Known::of(server, pattern));
        if &*known.stats.route == pattern.unwrap_or(UNMATCHED) {
            Cow::Borrowed(known)
        } else {
            Cow::Owned(Known::of(server, pattern))
        }
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
        let known = self.route(&live.server, route.as_deref());
        live.matched(&known.stats);
        if let Some(auth) = &live.server.auth
            && !auth.admits(live.principal.as_ref(), route.as_deref())
        {
            let problem = Problem::from(&Rejected::Unauthenticated).answer(Some(&live.id));
            return Box::pin(std::future::ready(Ok(problem)));
        }
        let usual = &known.usual[usize::from(!request.method().is_safe())];
        let place = match Shed::admit(&live, known.priority, usual) {
            Ok(place) => place,
            Err(Overloaded) => return Box::pin(std::future::ready(Ok(Overloaded::answer(&live.id)))),
        };
        drop(known);
        let around = live.around(route, request.headers());
        let answer = context::scope(around, Some(live.deadline), self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            if let (Some(place), Ok(answer)) = (place, &answer) {
                place.answered(answer.status());
            }
            answer
        })
    }
}

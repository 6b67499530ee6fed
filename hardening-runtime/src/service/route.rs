//! The one layer around every route: it notes which route matched, and opens the request's context.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

#[cfg(feature = "grpc")]
use super::body::Stops;
use super::body::{BodyFate, Fated};
use super::memory::Unfinished;
use super::problem::Problem;
use super::request::too_large;
use super::server::Server;
use super::shed::{Overloaded, Place, Priority, Seat, Shed, Usual};
#[cfg(feature = "grpc")]
use super::shutdown::Stage;
use super::waits::{For, Waits};
use super::wire::Conn;
use crate::Rejected;
use crate::clock::{self, Nanos};
use crate::context::{self, Scoped, Upload};
use crate::policy::idempotency::Digest;
use crate::telemetry::http::RouteStats;

/// One request while it is answered; shared by its handler, its body and its answer.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) server: Arc<Server>,
    /// What its handler and its answer's body run within.
    pub(crate) request: Arc<context::Request>,
    pub(crate) conn: Arc<Conn>,
    /// What its client is known by.
    pub(crate) client: u64,
    /// What a trusted proxy says of how much the request matters.
    pub(crate) priority: Option<Priority>,
    /// When its head had come, and by when its answer must be ready.
    pub(crate) began: Nanos,
    pub(crate) deadline: Nanos,
    /// How large its body may be.
    pub(crate) body_limit: u64,
    pub(crate) route: OnceLock<Arc<RouteStats>>,
    pub(crate) fate: BodyFate,
    pub(crate) seat: Seat,
    pub(crate) waits: Waits,
}

thread_local! {
    /// The request that the routes are asked at this moment, until one of them has it.
    static HANDED: Cell<Option<Arc<Live>>> = const { Cell::new(None) };
}

impl Live {
    /// Asks the routes; what matches takes `live`, unless it was taken before.
    pub(super) fn hand_over<T>(live: &mut Option<Arc<Self>>, routes: impl FnOnce() -> T) -> T {
        if live.is_none() {
            return routes();
        }
        HANDED.set(live.take());
        let answered = routes();
        *live = HANDED.take();
        answered
    }

    /// What is handed over to the route that is called. Nothing of the program's stands between the routes and their first layer.
    pub(super) fn handed() -> Option<Arc<Self>> {
        HANDED.take()
    }

    pub(super) fn matched(&self, route: &Arc<RouteStats>) {
        if self.route.set(Arc::clone(route)).is_ok() {
            route.began();
            self.counts(self.waits.counts());
        }
    }

    /// It waits for its client alone, or does no longer.
    pub(super) fn waits_for(&self, what: For, waits: bool) {
        self.counts(self.waits.set(what, waits));
    }

    /// It has ended, though its body may be there still.
    pub(super) fn ended(&self) {
        self.counts(self.waits.ended());
    }

    fn counts(&self, waits: Option<bool>) {
        if let (Some(waits), Some(route)) = (waits, self.route.get()) {
            route.waits_for_client(waits);
        }
    }

    /// Its handler waits for its client no longer.
    pub(crate) fn is_at_work(&self, now: impl FnOnce() -> Nanos) {
        if let Some(moved) = self.seat.comes_back(now) {
            self.waits_for(For::Body, false);
            self.conn.body_came();
            if moved.seated {
                self.server.shed.comes_back();
            }
        }
    }

    /// What the route's handler runs within.
    pub(super) fn around(&self, route: Option<Arc<str>>) -> Arc<context::Request> {
        if let Some(route) = route {
            // The outermost route that matched stays.
            let _ = self.request.matched.set(route);
        }
        Arc::clone(&self.request)
    }
}

impl Fated for Live {
    fn fate(&self) -> &BodyFate {
        &self.fate
    }

    fn digest(&self) -> Option<&Digest> {
        self.request.digest.as_deref()
    }

    fn waits(&self) {
        if let Some(moved) = self.seat.goes_away(clock::now()) {
            self.waits_for(For::Body, true);
            self.conn.awaits_body();
            if moved.seated {
                self.server.shed.goes_away();
            }
        }
    }

    fn moved(&self, now: Nanos) {
        self.conn.moved(now);
        self.is_at_work(|| now);
    }

    fn dropped(&self) {
        self.is_at_work(clock::now);
    }

    fn is_http1(&self) -> bool {
        !self.conn.is_http2()
    }

    fn unfinished(&self) -> Unfinished {
        Unfinished::new(&self.server.bodies, self.request.client_ip)
    }

    fn upload(&self) -> &Upload {
        &self.request.upload
    }

    #[cfg(feature = "grpc")]
    fn stops(&self) -> Stops {
        let mut stages = self.server.stages();
        Box::pin(async move {
            // The sender lives as long as the server.
            let _ = stages.wait_for(|stage| *stage >= Stage::Draining).await;
        })
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
    /// `None` for what no route matches.
    pattern: Option<Arc<str>>,
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
        Self { pattern: pattern.map(Arc::from), stats, priority, usual: Default::default() }
    }
}

impl<S> Noted<S> {
    fn route(&self, server: &Server, pattern: Option<&str>) -> Cow<'_, Known> {
        let known = self.known.get_or_init(|| Known::of(server, pattern));
        if known.pattern.as_deref() == pattern {
            Cow::Borrowed(known)
        } else {
            Cow::Owned(Known::of(server, pattern))
        }
    }
}

pin_project! {
    /// What a route answers.
    #[project = AnsweringIs]
    pub(crate) enum Answering<F> {
        /// Its handler, within the request, and the place that it holds meanwhile.
        Within { #[pin] handler: Scoped<F>, place: Option<Place> },
        /// Its handler, for a request that is none of the service's.
        Bare { #[pin] handler: F },
        /// A refusal.
        Refused { response: Response },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            AnsweringIs::Within { handler, place } => {
                let Ok(answer) = ready!(handler.poll(cx));
                if let Some(place) = place.take() {
                    place.answered(answer.status());
                }
                Poll::Ready(Ok(answer))
            }
            AnsweringIs::Bare { handler } => handler.poll(cx),
            AnsweringIs::Refused { response } => Poll::Ready(Ok(std::mem::take(response))),
        }
    }
}

impl<S> Service<Request> for Noted<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(live) = Live::handed() else {
            return Answering::Bare { handler: self.inner.call(request) };
        };
        let pattern = match request.extensions().get::<MatchedPath>() {
            Some(pattern) => Some(pattern.as_str()),
            None => live.server.mounts.of(request.uri().path()),
        };
        let known = self.route(&live.server, pattern);
        live.matched(&known.stats);
        if let Some(auth) = &live.server.auth
            && !auth.admits(live.request.principal.as_ref(), pattern)
        {
            let response = Problem::from(&Rejected::Unauthenticated).answer(Some(&live.request.id));
            return Answering::Refused { response };
        }
        if request.body().size_hint().lower() > live.body_limit {
            let response = too_large(live.body_limit).answer(Some(&live.request.id));
            return Answering::Refused { response };
        }
        let usual = &known.usual[usize::from(!request.method().is_safe())];
        let (around, deadline) = (live.around(known.pattern.clone()), live.deadline);
        let place = match Shed::admit(live, known.priority, usual) {
            Ok(place) => place,
            Err(Overloaded) => return Answering::Refused { response: Overloaded::answer(&around.id) },
        };
        drop(known);
        let handler = context::scoped(around, deadline, self.inner.call(request));
        Answering::Within { handler, place }
    }
}

//! A request that the user's routes answer, within its deadline.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use http::StatusCode;
use http::request::Parts;
use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::account::Account;
use super::address::Peer;
use super::body::{BodyFate, Bounded, Unread};
use super::client::Client;
use super::panics::{Caught, Place};
use super::plain::as_problem;
use super::problem::Problem;
use super::request::{closing, late};
use super::route::Live;
use super::route_limits::OfRoute;
use super::server::Server;
use super::shed::{Priority, Seat};
use super::waits::Waits;
use super::{grpc, panics};
use crate::clock;
use crate::context::Trace;

/// An answer that few requests need; what they need for it is in a box of its own, so that all others are smaller.
pub(super) type Rare<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pin_project! {
    /// What the routes answer, or what is answered in their place.
    pub(super) struct Routed {
        live: Arc<Live>,
        // The same until a route has it.
        handed: Option<Arc<Live>>,
        // Whether it is a call of gRPC, and by when one must have ended.
        grpc: bool,
        ends: Option<Instant>,
        #[pin]
        handler: Caught<RouteFuture<Infallible>>,
        // What ends it before its handler does.
        cut: Option<Rare<Response>>,
        // What makes an answer of ours of its handler's.
        after: Option<Rare<Response>>,
    }
}

impl Routed {
    /// Hands a request to the routes.
    #[inline(always)]
    pub(super) fn new(
        server: &Arc<Server>,
        mut parts: Parts,
        body: Incoming,
        client: Client,
        account: &mut Account,
    ) -> Self {
        let grpc = account.is_grpc();
        let http = &server.settings.http;
        let limit = OfRoute::body_limit(account.route.as_deref(), http);
        let live = Arc::new(Live {
            server: Arc::clone(server),
            request: Arc::clone(&account.request),
            conn: Arc::clone(&account.conn),
            client: client.key,
            // Anybody could write that their own request matters most.
            priority: client.vouched.then(|| Priority::of(&parts.headers)).flatten(),
            began: account.began,
            deadline: account.deadline,
            body_limit: limit,
            route: OnceLock::new(),
            fate: BodyFate::default(),
            seat: Seat::default(),
            waits: Waits::default(),
        });
        account.live = Some(Arc::clone(&live));
        let longest = OfRoute::body_timeout(account.route.as_deref(), http);
        let body = if grpc { grpc::bounded(body) } else { bounded(limit, longest, body, &live) };
        account.names(&mut parts.headers);
        let mut request = Request::from_parts(parts, body);
        if let Peer::Address(peer) = account.conn.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        if !request.body().is_end_stream() {
            // Extractors hold to it behind a layer that unpacks the body as well. A reader of the bare body has what comes.
            DefaultBodyLimit::max(usize::try_from(limit).unwrap_or(usize::MAX)).apply(&mut request);
        }
        let mut router = server.grpc.as_ref().filter(|_| grpc).unwrap_or(&server.router).clone();
        let handler = panics::caught(Place::Handler, router.call(request));
        Self {
            handed: Some(Arc::clone(&live)),
            live,
            grpc,
            ends: account.ends(),
            handler,
            cut: None,
            after: None,
        }
    }
}

impl Future for Routed {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        if let Some(after) = this.after {
            return after.as_mut().poll(cx);
        }
        let handler = this.handler;
        let routes = || handler.poll(cx);
        let (polled, read) = if *this.grpc {
            grpc::reading(|| Live::hand_over(this.handed, routes))
        } else {
            (Live::hand_over(this.handed, routes), false)
        };
        let Poll::Ready(answered) = polled else {
            let live = &*this.live;
            return this.cut.get_or_insert_with(|| Box::pin(cut(Arc::clone(live)))).as_mut().poll(cx);
        };
        let live = Arc::clone(this.live);
        let after: Rare<Response> = match answered {
            Ok(Ok(response)) if *this.grpc => {
                let ends = *this.ends;
                Box::pin(async move { grpc::answered(response, &live, ends, read).await })
            }
            Ok(Ok(response)) if response.status().as_u16() < 400 => {
                if let Some(unread) = live.fate.get() {
                    misses(&live, unread);
                }
                return Poll::Ready(response);
            }
            Ok(Ok(response)) => Box::pin(async move { as_problem(response, &live).await }),
            Ok(Err(never)) => match never {},
            Err(panic) => return Poll::Ready(panicked(&panic, &live)),
        };
        let response = ready!(this.after.insert(after).as_mut().poll(cx));
        Poll::Ready(response)
    }
}

/// The answer to a request whose time is over, or the service's.
async fn cut(live: Arc<Live>) -> Response {
    let problem = tokio::select! {
        biased;
        () = clock::until(live.deadline) => late(),
        () = live.server.is_cut() => closing(),
    };
    problem.answer(Some(&live.request.id))
}

/// Says that a handler took a part of a body for the whole.
#[cold]
fn misses(live: &Live, unread: Unread) {
    let route = live.request.route();
    tracing::warn!(
        request_id = live.request.id,
        route,
        why = %unread,
        "a handler answered with success, and had not all of the request's body"
    );
}

fn panicked(panic: &str, live: &Live) -> Response {
    let id = &live.request.id;
    if !panics::are_told() {
        let trace_id = live.request.trace.as_ref().map(Trace::id);
        tracing::error!(request_id = id, trace_id, panic, "a handler panicked");
    }
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR).answer(Some(id))
}

fn bounded(limit: u64, longest: Duration, body: Incoming, live: &Arc<Live>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Bounded::new(body, limit, Instant::now() + longest, Arc::clone(live)))
}

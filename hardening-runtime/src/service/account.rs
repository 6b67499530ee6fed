//! What a request adds up to: its metrics, its line in the access log, and its place among those in flight.

mod called;
mod line;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tokio::time::Instant;

use self::called::Grpc;
use super::answer_body::{Ending, HTTP2_PIECE, PIECE};
use super::auth::Caller;
use super::client::Client;
#[cfg(feature = "alerts")]
use super::excuse;
use super::grpc;
use super::idempotency_key;
use super::limit::Standing;
use super::memory::{Ends, HeldBytes};
use super::request_id::{self, REQUEST_ID};
use super::route::Live;
use super::route_limits::OfRoute;
use super::said::Said;
use super::server::{Server, Surface};
#[cfg(feature = "otlp")]
use super::server_span;
use super::streams;
use super::upgrade::Asked;
use super::waits::For;
use super::wire::{Conn, Outgoing};
use crate::clock::{self, Nanos, nanos};
use crate::context::{self, Hurry, Trace};
use crate::policy::idempotency::{Digest, Presented, REPLAYED};
use crate::telemetry::http::{RouteStats, UNMATCHED};
#[cfg(feature = "alerts")]
use crate::telemetry::http::{is_error, is_fault};

/// The status written for a request whose client went away before an answer.
const CLIENT_WENT_AWAY: u16 = 499;

/// One request's account, opened with its head and closed with the end of its answer.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) server: Arc<Server>,
    pub(crate) conn: Arc<Conn>,
    pub(crate) surface: Surface,
    method: Method,
    uri: Uri,
    /// What its span says of its head, where it has one.
    #[cfg(feature = "otlp")]
    seen: Option<Box<server_span::Seen>>,
    /// When its head had come.
    pub(crate) began: Nanos,
    status: Option<StatusCode>,
    probe: Option<&'static str>,
    /// What of gRPC it is.
    grpc: Grpc,
    /// At which level its line is written, unless it failed.
    line: line::At,
    /// Whether it asks for health: no shutdown waits for it, and its connection is idle all the same.
    watches: bool,
    open: bool,
    /// What its head says.
    said: Said,
    /// Who asks, and by which id.
    pub(crate) request: Arc<context::Request>,
    /// When its answer must be ready.
    pub(crate) deadline: Nanos,
    /// Whose time that is.
    time: Time,
    /// Where its caller stands with limits.
    pub(crate) standing: Standing,
    /// The origin of a page that may read the answer.
    pub(crate) origin: Option<HeaderValue>,
    /// Set once the routes have it.
    pub(crate) live: Option<Arc<Live>>,
    /// Limits of its route.
    pub(crate) route: Option<Arc<OfRoute>>,
    /// Who asks, where it was charged as a request for a file.
    pub(crate) for_file: Option<Box<Client>>,
    /// What it needs where it asks for another protocol.
    pub(crate) upgrade: Option<Box<Asked>>,
}

/// Whose time a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// As much as the service gives.
    Ours,
    /// Less, as its client asks.
    Lowered,
    /// It is over, and its client brought that about itself: it counts for no budget.
    #[cfg(feature = "alerts")]
    Excused,
}

impl Account {
    pub(crate) fn open(
        server: &Arc<Server>,
        conn: &Arc<Conn>,
        surface: Surface,
        parts: &Parts,
        said: Said,
        client: Option<IpAddr>,
    ) -> Box<Self> {
        let began = clock::now();
        conn.request_began(began);
        if surface == Surface::Public {
            server.stats.began();
        }
        let trace = trace_of(server, &parts.headers, said);
        #[cfg(feature = "otlp")]
        let spanned = surface == Surface::Public && server.traces.is_some() && trace.is_sampled();
        // It moves from hand to hand until the answer has ended.
        Box::new(Self {
            server: Arc::clone(server),
            conn: Arc::clone(conn),
            surface,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            #[cfg(feature = "otlp")]
            seen: spanned.then(|| Box::new(server_span::Seen::of(parts))),
            began,
            status: None,
            probe: None,
            line: if surface == Surface::Admin { line::At::Debug } else { line::At::Info },
            grpc: Grpc::of(server, parts, said),
            watches: false,
            open: true,
            said,
            request: Arc::new(context::Request {
                id: request_id::of(&parts.headers, said, began),
                trace: Some(trace),
                client_ip: client,
                service: server.lifetime.number(),
                credentials: Some(Presented::NOTHING),
                ..context::Request::default()
            }),
            deadline: began.saturating_add(nanos(server.settings.http.request_timeout)),
            time: Time::Ours,
            standing: Standing::default(),
            // No page of another origin reads what the admin listener answers.
            origin: (surface == Surface::Public).then(|| server.headers.allowed(&parts.headers)).flatten(),
            live: None,
            route: None,
            for_file: None,
            upgrade: None,
        })
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &str {
        &self.request.id
    }

    /// What only a request that the routes get has: who asks, and what makes it one that may be asked again.
    pub(crate) fn is_asked_by(&mut self, caller: Option<Caller>, parts: &Parts, said: Said) {
        let has_key = said.has(Said::IDEMPOTENT);
        let shown = said.has(Said::CREDENTIAL) && caller.is_none();
        if caller.is_none() && !has_key && !shown {
            return;
        }
        // Nobody else has it yet.
        let request = Arc::make_mut(&mut self.request);
        if let Some(Caller { principal, tenant }) = caller {
            (request.principal, request.tenant) = (Some(principal), tenant);
        }
        if shown {
            request.credentials = Some(idempotency_key::shown(&parts.headers));
        }
        if has_key {
            let bare = self.server.settings.http.bare_idempotency_keys;
            request.idempotency_key = idempotency_key::read(&parts.headers, bare);
            let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
            request.digest = Some(Arc::new(Digest::new(parts.method.as_str(), target)));
        }
    }

    /// It belongs to a route with limits of its own.
    pub(crate) fn is_of(&mut self, route: Arc<OfRoute>) {
        let settings = &self.server.settings.http;
        self.deadline = self.began.saturating_add(nanos(OfRoute::request_timeout(Some(&route), settings)));
        self.conn.client_may_pause(route.limits.write_timeout);
        self.route = Some(route);
    }

    /// Handlers and their layers find its id where a client would have written it.
    pub(crate) fn names(&self, headers: &mut HeaderMap) {
        let is_said = |said: &HeaderValue| said.as_bytes() == self.id().as_bytes();
        if !(self.said.has(Said::ID) && headers.get(&REQUEST_ID).is_some_and(is_said))
            && let Ok(id) = HeaderValue::from_str(self.id())
        {
            headers.insert(REQUEST_ID, id);
        }
    }

    /// The pattern of its route.
    pub(crate) fn route_name(&self) -> Arc<str> {
        self.request.matched.get().map_or_else(|| UNMATCHED.into(), Arc::clone)
    }

    /// It is a probe.
    pub(crate) fn probe(&mut self, path: &'static str) {
        self.probe = Some(path);
        self.line = line::At::Debug;
    }

    /// No limit charges it, so its line is written at `debug` alone.
    pub(crate) fn is_free(&mut self) {
        self.line = line::At::Debug;
    }

    /// It asks for health: no shutdown waits for it, and its connection gives way as if nothing were asked on it.
    #[cfg(feature = "grpc")]
    pub(crate) fn let_go(&mut self) {
        if std::mem::replace(&mut self.watches, true) {
            return;
        }
        if self.surface == Surface::Public {
            self.server.stats.ended();
        }
        self.conn.watching_began();
    }

    /// It is a call of gRPC that must have ended this long after its head came.
    pub(crate) fn ends_within(&mut self, time: Option<Duration>) {
        if let Some(call) = self.grpc.call_mut() {
            call.ends = time.and_then(|time| clock::instant(self.began.saturating_add(nanos(time))));
        }
    }

    /// Whether its answer may be for this client alone while nothing in its head says which caches may keep it. Caches leave
    /// answers to `authorization` alone by themselves (RFC 9111, section 3.5), and know nothing of cookies, API keys and
    /// certificates. An answer that sets a cookie makes a session of its own. What an idempotency key brings, now or again, is
    /// its caller's, whatever else this request shows: the first one may have had more.
    pub(crate) fn is_personal(&self, answer: &HeaderMap) -> bool {
        let shown = self.said.has(Said::CREDENTIAL | Said::IDEMPOTENT) || self.conn.principal.is_some();
        // An answer has few fields so far.
        let own = shown || answer.keys().any(|name| *name == header::SET_COOKIE || *name == REPLAYED);
        own && !answer.contains_key(header::CACHE_CONTROL)
    }

    /// Whether it is a call of gRPC-Web for which there is no route.
    pub(crate) fn is_unread_grpc_web(&self, status: StatusCode) -> bool {
        matches!(self.grpc, Grpc::Web)
            && status == StatusCode::NOT_FOUND
            && self.request.matched.get().is_none()
    }

    /// Whether it is a call of gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        self.grpc.call().is_some()
    }

    /// By when a call of gRPC must have ended, where its client says.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.grpc.call()?.ends
    }

    /// Its client asks for an answer this long after its head came, be it sooner than the service does or not.
    pub(crate) fn is_asked_within(&mut self, time: Duration) {
        let deadline = self.began.saturating_add(nanos(time));
        if deadline < self.deadline {
            // Nobody else has it yet.
            Arc::make_mut(&mut self.request).hurry = Hurry::new(deadline, self.deadline);
            (self.time, self.deadline) = (Time::Lowered, deadline);
        }
    }

    /// Its answer's head is ready.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        if let Some(live) = &self.live {
            live.is_at_work(clock::now);
        }
        self.conn.request_answered();
        #[cfg(feature = "alerts")]
        if status.is_server_error() {
            let now = clock::now();
            self.failed(status == StatusCode::GATEWAY_TIMEOUT, self.request.upload.holds_up(now), now);
        }
        self.told(headers);
    }

    fn told(&mut self, headers: &HeaderMap) {
        let Some(call) = self.grpc.call_mut() else { return };
        call.code = grpc::code_of(headers);
        #[cfg(feature = "alerts")]
        if call.code.is_some_and(is_fault) {
            // A stream waits for its next message whatever fails meanwhile.
            self.failed(false, false, clock::now());
        }
    }

    /// It ended in an error, which may be its client's own doing.
    #[cfg(feature = "alerts")]
    fn failed(&mut self, timeout: bool, held_up: bool, now: Nanos) {
        let lowered = self.time == Time::Lowered;
        let times = excuse::Times { began: self.began, deadline: self.deadline, lowered, now, held_up };
        let body = self.live.as_ref().map(|live| &live.fate);
        if excuse::is_the_clients(timeout, times, body) {
            self.time = Time::Excused;
        }
    }

    /// How a call of gRPC ended: CANCELLED where nobody waited for the end, UNKNOWN where it has no status.
    fn call_ended(&self, whole: bool) -> Option<u8> {
        let call = self.grpc.call()?;
        Some(call.code.unwrap_or(if whole { 2 } else { 1 }))
    }

    fn close(&mut self, bytes: u64, whole: bool) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        if let Some(live) = &self.live {
            live.ended();
        }
        let now = clock::now();
        let took = Duration::from_nanos(now.saturating_sub(self.began));
        let status = self.status.map_or(CLIENT_WENT_AWAY, |status| status.as_u16());
        let stats = &self.server.stats;
        let noted = self.live.as_ref().and_then(|live| live.route.get());
        let limited = self.route.as_ref().map(|route| &*route.pattern);
        let route = self.probe.or_else(|| noted.map(|route| &*route.route)).or(limited).unwrap_or(UNMATCHED);
        let code = self.call_ended(whole);
        if self.surface == Surface::Public {
            let counted = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let record = |route: &RouteStats| {
                route.record(&self.method, counted, nanos(took));
                if let Some(code) = code {
                    route.record_call(code);
                }
            };
            match (self.probe, noted) {
                (Some(path), _) => record(&stats.route(path)),
                (None, Some(route)) => {
                    record(route);
                    route.ended();
                }
                (None, None) => match &self.route {
                    // What is refused before the routes see it.
                    Some(route) => record(&stats.route(&route.pattern)),
                    None => record(stats.unmatched()),
                },
            }
            if !self.watches {
                stats.ended();
            }
        }
        #[cfg(feature = "alerts")]
        if self.server.alerts.is_some() && self.surface == Surface::Public && self.time != Time::Excused {
            let failed = is_error(status) || code.is_some_and(is_fault);
            let count = |route: &RouteStats| {
                route.counts(status);
                if failed {
                    let trace = self.request.trace.as_ref();
                    route.failed(self.id(), trace.map(Trace::id).unwrap_or_default());
                }
            };
            match (self.probe, noted) {
                (Some(path), _) => count(&stats.route(path)),
                (None, route) => count(route.unwrap_or(stats.unmatched())),
            }
        }
        #[cfg(feature = "otlp")]
        if let (Some(traces), Some(seen), None, Some(trace)) =
            (&self.server.traces, &self.seen, self.probe, &self.request.trace)
        {
            let answered = server_span::Answered {
                trace,
                method: &self.method,
                uri: &self.uri,
                seen,
                route: noted.map(|route| &*route.route).filter(|route| *route != UNMATCHED),
                https: self.server.tls.is_some(),
                status: self.status.map(|status| status.as_u16()),
                grpc: code,
                client: self.request.client_ip,
                peer: self.conn.peer,
                request_id: self.id(),
                took,
            };
            server_span::record(traces, &answered);
        }
        if self.server.settings.log.access {
            self.write(route, status, code, took, bytes, whole);
        }
        self.conn.request_ended(now, self.status.is_some(), self.watches);
    }
}

/// The caller's trace, or one that begins here.
fn trace_of(server: &Server, headers: &HeaderMap, said: Said) -> Trace {
    let told = said.has(Said::TRACE).then(|| context::trace::read(headers)).flatten();
    told.unwrap_or_else(|| {
        let mut trace = Trace::new(false);
        trace.flags.sampled = server.traces.as_ref().is_some_and(|traces| traces.samples(trace.id));
        trace
    })
}

impl Ending for Box<Account> {
    fn request(&self) -> Option<Arc<context::Request>> {
        self.live.is_some().then(|| Arc::clone(&self.request))
    }

    fn deadline(&self) -> Option<Instant> {
        self.ends()
    }

    fn broke(&self, error: &axum::Error) {
        if self.live.as_ref().is_some_and(|live| live.fate.get().is_some()) {
            // What it passes on was its own client's.
            tracing::debug!(%error, "an answer broke off with the body of its request");
            return;
        }
        let route = self.route_name();
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::error!(
            request_id = self.id(),
            route = &*route,
            error,
            "an answer broke off: its body failed"
        );
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.told(trailers);
    }

    fn pace(&self) -> (usize, Duration) {
        let piece = if self.conn.is_http2() { HTTP2_PIECE } else { PIECE };
        (piece, OfRoute::write_timeout(self.route.as_deref(), &self.server.settings.http))
    }

    fn holds(&self, bytes: u64, task: &Waker) -> HeldBytes {
        let ends = if self.conn.is_http2() {
            Ends::Stream(streams::may_be_given_up(task))
        } else {
            Ends::Connection(self.conn.slot())
        };
        self.server.answers.holds(self.request.client_ip, bytes, ends, clock::now())
    }

    fn outgoing(&self) -> Option<Outgoing> {
        self.conn.is_http2().then(|| self.conn.handed.answer())
    }

    fn moved(&self, now: Nanos) {
        self.conn.moved(now);
    }

    fn waits_for_client(&self, waits: bool) {
        if let Some(live) = &self.live {
            live.waits_for(For::Answer, waits);
        }
    }

    fn ended(&mut self, bytes: u64, whole: bool) {
        self.close(bytes, whole);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Nobody knows what its answer would have been.
        if let Some(client) = self.for_file.take() {
            self.server.limits.was_no_file(*client, &mut self.standing);
        }
        self.close(0, false);
    }
}

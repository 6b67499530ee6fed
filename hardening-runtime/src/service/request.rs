//! One request, from its head to the last byte of its answer: every default of the service in one place.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;
use tower_service::Service;

use super::account::Account;
use super::auth::{Auth, Caller};
use super::body::{Bounded, Counted};
use super::client::Client;
use super::headers::Headers;
use super::health::{Probe, probe_of};
use super::limit::{self, Standing};
use super::panics::Place;
use super::plain::as_problem;
use super::problem::{Methods, Problem};
use super::request_id::{self, REQUEST_ID};
use super::route::{IDEMPOTENCY_KEY, Live};
use super::server::{Server, Surface};
use super::shed::Priority;
use super::wire::Conn;
use super::{admin, deadline, grpc, host, panics};
use crate::policy::idempotency::Digest;
use crate::telemetry::recent;

/// As many fields as are added to a usual answer: room for all of them is made once, and no more, since a map of twice the
/// size is no small piece of memory any more.
const FIELDS: usize = 10;

/// Answers one request.
pub(crate) async fn answer(
    server: Arc<Server>,
    conn: Arc<Conn>,
    surface: Surface,
    request: http::Request<Incoming>,
) -> Result<http::Response<Counted<Account>>, Infallible> {
    let (parts, body) = request.into_parts();
    let id = request_id::of(&parts.headers);
    let http = &server.settings.http;
    let client = Client::of(&parts.headers, conn.peer, &http.trusted_proxies);
    let mut account = Account::open(&server, &conn, surface, &parts, id, client.ip);
    let grpc = account.is_grpc();
    // No page of another origin reads what the admin listener answers.
    let origin = (surface == Surface::Public).then(|| server.headers.allowed(&parts.headers)).flatten();
    let old_http = parts.version < Version::HTTP_2;
    let mut standing = Standing::default();
    let mut response = match refuse(&server, surface, &parts, &body, client, &mut account, &mut standing) {
        Some(response) => response,
        // What is rare is in a box of its own, so that every other request is smaller.
        None if grpc::asks_health(&parts) => {
            Box::pin(grpc::health(&server, &parts, body, &mut account)).await
        }
        None if surface == Surface::Admin => {
            Box::pin(admin::answer(&server, &parts, body, client, &account.id)).await
        }
        None => match identify(&server, &parts, client, &account, &mut standing).await {
            Ok(caller) => run(&server, parts, body, client, caller, &mut account).await,
            Err(response) => response,
        },
    };
    if grpc {
        response = grpc::as_status(response);
    }
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    if !grpc {
        // They are for browsers.
        server.headers.secure(headers);
        server.headers.share(origin, headers);
    }
    server.limits.tell(&standing, headers);
    if let Some(auth) = &server.auth
        && response.status() == StatusCode::UNAUTHORIZED
    {
        auth.challenge(response.headers_mut());
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&account.id) {
        headers.insert(REQUEST_ID, id);
    }
    if old_http && server.closing() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    account.answered(response.status(), response.headers());
    Ok(response.map(|body| Counted::new(body, account)))
}

/// What is answered before any route sees the request: probes, refusals, browsers that ask first.
fn refuse(
    server: &Server,
    surface: Surface,
    parts: &Parts,
    body: &Incoming,
    client: Client,
    account: &mut Account,
    standing: &mut Standing,
) -> Option<Response> {
    let http = &server.settings.http;
    let problem = |problem: &Problem, account: &Account| Some(problem.answer(Some(&account.id)));
    if let Some(too_large) = oversized(parts, http.uri_limit, http.header_limit) {
        return problem(&too_large, account);
    }
    if let Err(why) = host::check(parts) {
        return problem(&Problem::new(StatusCode::BAD_REQUEST).detail(why), account);
    }
    if let Some((probe, path)) = probe_of(parts.uri.path()) {
        account.probe(path);
        return Some(probed(server, surface, probe, parts, &account.id));
    }
    if let Some(old) = grpc::over_old_http(parts) {
        return problem(&old, account);
    }
    if grpc::asks_health(parts) {
        return expired(parts, http.request_timeout, account);
    }
    if surface == Surface::Admin {
        return None;
    }
    if server.headers.is_preflight(&parts.method, &parts.headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Headers::preflight(&parts.headers, response.headers_mut());
        return Some(response);
    }
    if let Some(wait) = server.limits.charge(client, standing) {
        recent::refused("http client", "rate_limited");
        return problem(&limit::refusal(wait), account);
    }
    // Of a call of gRPC each message has a limit of its own.
    if !account.is_grpc() && body.size_hint().lower() > http.body_limit {
        return problem(&too_large(http.body_limit), account);
    }
    expired(parts, http.request_timeout, account)
}

/// Notes how much time there is; answers a request that has none.
fn expired(parts: &Parts, longest: Duration, account: &mut Account) -> Option<Response> {
    let problem = match deadline::of(&parts.headers, Duration::MAX) {
        Ok(asked) if asked.is_zero() => late(),
        Ok(asked) => {
            account.allow(asked.min(longest));
            account.ends_within((asked < Duration::MAX).then_some(asked));
            return None;
        }
        Err(header) => {
            let detail = format!("`{}` is not a timeout.", header.0);
            Problem::new(StatusCode::BAD_REQUEST).detail(detail)
        }
    };
    Some(problem.answer(Some(&account.id)))
}

/// Who is calling, within the deadline, and whether they may call as often.
async fn identify(
    server: &Server,
    parts: &Parts,
    client: Client,
    account: &Account,
    standing: &mut Standing,
) -> Result<Option<Caller>, Response> {
    let certificate = account.conn.principal.as_ref();
    let caller = match &server.auth {
        None => certificate.map(|principal| Caller { principal: principal.clone(), tenant: None }),
        Some(auth) => Box::pin(judge(auth, server, parts, client, account, standing)).await?,
    };
    if let Some(caller) = &caller
        && let Some(wait) =
            server.limits.charge_caller(&caller.principal.id, caller.tenant.as_deref(), standing)
    {
        return Err(limit::refusal(wait).answer(Some(&account.id)));
    }
    Ok(caller)
}

/// Whom the credentials name, within the deadline.
async fn judge(
    auth: &Auth,
    server: &Server,
    parts: &Parts,
    client: Client,
    account: &Account,
    standing: &mut Standing,
) -> Result<Option<Caller>, Response> {
    let judged = tokio::select! {
        biased;
        judged = auth.judge(&parts.headers, account.conn.principal.as_ref()) => judged,
        () = tokio::time::sleep_until(account.deadline) => return Err(late().answer(Some(&account.id))),
        () = server.is_cut() => return Err(closing().answer(Some(&account.id))),
    };
    judged.map_err(|refusal| {
        if refusal.is_the_callers() {
            server.limits.fine(client, standing);
        }
        refusal.problem().answer(Some(&account.id))
    })
}

fn oversized(parts: &Parts, uri_limit: u64, header_limit: u64) -> Option<Problem> {
    let uri = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if uri as u64 > uri_limit {
        let detail = format!("Path and query are longer than {uri_limit} bytes.");
        return Some(Problem::new(StatusCode::URI_TOO_LONG).detail(detail));
    }
    if size(&parts.headers) > header_limit {
        let detail = format!("The header fields are larger than {header_limit} bytes.");
        return Some(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).detail(detail));
    }
    None
}

/// Names and values, and for each field the four bytes that HTTP/1 spends on separators.
fn size(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

fn probed(server: &Server, surface: Surface, probe: Probe, parts: &Parts, id: &str) -> Response {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Problem::other_method(Methods::Read).answer(Some(id));
    }
    let asked =
        parts.uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let admin = surface == Surface::Admin;
    let verbose = asked && (admin || server.settings.health.verbose);
    let (status, mut body) = server.health.answer(probe, verbose, admin);
    if verbose {
        body["tasks"] = server.tasks.describe(admin);
    }
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The user's routes, within the deadline.
async fn run(
    server: &Arc<Server>,
    parts: Parts,
    body: Incoming,
    client: Client,
    caller: Option<Caller>,
    account: &mut Account,
) -> Response {
    let (principal, tenant) = caller.map_or((None, None), |caller| (Some(caller.principal), caller.tenant));
    let deadline = account.deadline;
    let live = Arc::new(Live {
        server: Arc::clone(server),
        id: account.id.clone(),
        trace: account.trace.clone(),
        client: account.client,
        // Anybody could write that their own request matters most.
        priority: client.vouched.then(|| Priority::of(&parts.headers)).flatten(),
        principal,
        tenant,
        deadline,
        route: std::sync::OnceLock::new(),
        fate: super::body::BodyFate::default(),
        digest: parts.headers.contains_key(IDEMPOTENCY_KEY).then(|| {
            let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
            Arc::new(Digest::new(parts.method.as_str(), target))
        }),
        request: std::sync::OnceLock::new(),
    });
    account.live = Some(Arc::clone(&live));
    let grpc = account.is_grpc();
    let body = if grpc { grpc::bounded(server, body, &live) } else { bounded(server, body, &live) };
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Arc::clone(&live));
    if !request.body().is_end_stream() {
        // axum's own limit of 2 MB would stand below what the setting allows.
        DefaultBodyLimit::disable().apply(&mut request);
    }
    let mut router = server.grpc.as_ref().filter(|_| grpc).unwrap_or(&server.router).clone();
    let routed = panics::caught(Place::Handler, router.call(request));
    let outcome = tokio::select! {
        biased;
        routed = routed => routed,
        () = tokio::time::sleep_until(deadline) => return late().answer(Some(&account.id)),
        () = server.is_cut() => return closing().answer(Some(&account.id)),
    };
    match outcome {
        Ok(Ok(response)) if grpc => Box::pin(grpc::answered(response, &live, account.ends())).await,
        Ok(Ok(response)) if response.status().as_u16() < 400 => response,
        Ok(Ok(response)) => Box::pin(as_problem(response, &live)).await,
        Ok(Err(never)) => match never {},
        Err(panic) => {
            if !panics::are_told() {
                let trace_id = account.trace.id();
                tracing::error!(request_id = account.id, trace_id, panic, "a handler panicked");
            }
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR).answer(Some(&account.id))
        }
    }
}

fn bounded(server: &Server, body: Incoming, live: &Arc<Live>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    let http = &server.settings.http;
    Body::new(Bounded::new(body, http.body_limit, Instant::now() + http.body_timeout, Arc::clone(live)))
}

/// 413.
pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail(format!("The body is larger than {limit} bytes."))
}

pub(crate) fn late() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT)
        .kind("urn:hardening:problem:deadline-exceeded")
        .detail("The answer was not ready before the request's deadline.")
}

pub(crate) fn closing() -> Problem {
    Problem::from(&crate::Rejected::ShuttingDown)
}

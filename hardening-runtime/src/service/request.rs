//! One request, from its head to the last byte of its answer: every default of the service in one place.

use std::sync::Arc;

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
use super::body::{Bounded, Counted};
use super::client::Client;
use super::headers::Headers;
use super::health::{Probe, probe_of};
use super::limit::{self, Verdict};
use super::plain::as_problem;
use super::problem::Problem;
use super::request_id::{self, REQUEST_ID};
use super::route::{IDEMPOTENCY_KEY, Live};
use super::server::{Server, Surface};
use super::wire::Conn;
use super::{admin, deadline, host, panics};
use crate::policy::idempotency::Digest;
use crate::telemetry::recent;

/// Answers one request.
pub(crate) async fn answer(
    server: Arc<Server>,
    conn: Arc<Conn>,
    surface: Surface,
    request: http::Request<Incoming>,
) -> http::Response<Counted<Account>> {
    let (parts, body) = request.into_parts();
    let id = request_id::of(&parts.headers);
    let http = &server.settings.http;
    let client = Client::of(&parts.headers, conn.peer.ip(), &http.trusted_proxies);
    let mut account = Account::open(&server, &conn, surface, &parts, id, client.ip);
    // No page of another origin reads what the admin listener answers.
    let origin = (surface == Surface::Public).then(|| server.headers.allowed(&parts.headers)).flatten();
    let old_http = parts.version < Version::HTTP_2;
    let mut standing = None;
    let mut response = match refuse(&server, surface, &parts, &body, client, &mut account, &mut standing) {
        Some(response) => response,
        None if surface == Surface::Admin => admin::answer(&server, &parts, body, client, &account.id).await,
        None => run(&server, parts, body, &mut account).await,
    };
    let headers = response.headers_mut();
    server.headers.secure(headers);
    server.headers.share(origin, headers);
    if let (Some(limit), Some(standing)) = (&server.limit, standing) {
        limit.tell(standing, headers);
    }
    if let Ok(id) = HeaderValue::from_str(&account.id) {
        headers.insert(REQUEST_ID, id);
    }
    if old_http && server.closing() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    account.answered(response.status());
    response.map(|body| Counted::new(body, account))
}

/// What is answered before any route sees the request: probes, refusals, browsers that ask first.
fn refuse(
    server: &Server,
    surface: Surface,
    parts: &Parts,
    body: &Incoming,
    client: Client,
    account: &mut Account,
    standing: &mut Option<Verdict>,
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
    if surface == Surface::Admin {
        return None;
    }
    if server.headers.is_preflight(&parts.method, &parts.headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Headers::preflight(&parts.headers, response.headers_mut());
        return Some(response);
    }
    if let Some(limit) = &server.limit {
        *standing = limit.charge(client);
        if let Some(wait) = standing.and_then(|standing| standing.refused) {
            recent::refused("http client", "rate_limited");
            return problem(&limit::refusal(wait), account);
        }
    }
    if body.size_hint().lower() > http.body_limit {
        return problem(&too_large(http.body_limit), account);
    }
    match deadline::of(&parts.headers, http.request_timeout) {
        Ok(allowed) if allowed.is_zero() => problem(&late(), account),
        Ok(allowed) => {
            account.allow(allowed);
            None
        }
        Err(header) => {
            let detail = format!("`{}` is not a timeout.", header.0);
            problem(&Problem::new(StatusCode::BAD_REQUEST).detail(detail), account)
        }
    }
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
        let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED).answer(Some(id));
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    let asked =
        parts.uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let admin = surface == Surface::Admin;
    let verbose = asked && (admin || server.settings.health.verbose);
    let (status, body) = server.health.answer(probe, verbose, admin);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The user's routes, within the deadline.
async fn run(server: &Arc<Server>, parts: Parts, body: Incoming, account: &mut Account) -> Response {
    let deadline = account.deadline;
    let live = Arc::new(Live {
        server: Arc::clone(server),
        id: account.id.clone(),
        client: account.client,
        principal: account.conn.principal.clone(),
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
    let mut request = Request::from_parts(parts, bounded(server, body, &live));
    request.extensions_mut().insert(Arc::clone(&live));
    // axum's own limit of 2 MB would stand below what the setting allows.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut router = server.router.clone();
    let routed = panics::caught(async move { router.call(request).await });
    let outcome = tokio::select! {
        biased;
        routed = routed => routed,
        () = tokio::time::sleep_until(deadline) => return late().answer(Some(&account.id)),
        () = server.is_cut() => return closing().answer(Some(&account.id)),
    };
    match outcome {
        Ok(Ok(response)) => as_problem(response, &live).await,
        Ok(Err(never)) => match never {},
        Err(panic) => {
            if !crate::telemetry::log::tells_panics() {
                tracing::error!(request_id = account.id, panic, "a handler panicked");
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

fn late() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT)
        .kind("urn:hardening:problem:deadline-exceeded")
        .detail("The answer was not ready before the request's deadline.")
}

fn closing() -> Problem {
    Problem::from(&crate::Rejected::ShuttingDown)
}

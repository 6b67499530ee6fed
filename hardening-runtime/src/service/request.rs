//! One request, from its head to the last byte of its answer: every default of the service in one place.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::account::Account;
use super::address::Peer;
use super::answer_body::Counted;
use super::auth::{Auth, Caller};
use super::client::Client;
use super::fields::Own;
use super::health::{Probe, probe_of};
use super::limit::{Bucket, Standing};
use super::problem::{Challenge, INSUFFICIENT_SCOPE, Methods, PROBLEM_JSON, Problem};
use super::routed::{Rare, Routed};
use super::said::Said;
use super::server::{Server, Surface};
use super::shed::Overloaded;
use super::wire::Conn;
use super::{admin, deadline, grpc, host, starting, upgrade};
use crate::clock;
use crate::settings::Http;
use crate::telemetry::recent;

/// Answers one request.
#[inline(always)]
pub(crate) fn answer(
    server: &Arc<Server>,
    conn: &Arc<Conn>,
    surface: Surface,
    request: http::Request<Incoming>,
) -> Answering {
    let (mut parts, body) = request.into_parts();
    let said = Said::of(&parts.headers);
    let client = Client::of(&parts.headers, said, conn.peer, conn.key, &server.settings.http);
    let mut account = Account::open(server, conn, surface, &parts, said, client.ip);
    if surface == Surface::Public
        && let Some(route) = server.routes.of(parts.uri.path())
    {
        account.is_of(route);
    }
    let asked = Asked { parts: &parts, said, client, surface };
    if let Some(response) = refuse(server, asked, &mut account) {
        return Answering { account: Some(account), going: Going::Told { response } };
    }
    if surface == Surface::Public {
        host::overrule(&mut parts);
        account.upgrade = upgrade::Asked::of(&mut parts).map(Box::new);
    }
    let health = grpc::asks_health(server, &parts);
    let public = surface == Surface::Public && !health;
    if public && server.auth.is_none() && conn.principal.is_none() {
        account.is_asked_by(None, &parts, said);
        let routed = Routed::new(server, parts, body, client, &mut account);
        return Answering { account: Some(account), going: Going::Routed { routed } };
    }
    let server = Arc::clone(server);
    let rare: Rare<(Response, Box<Account>)> = Box::pin(async move {
        let response = if health {
            grpc::health(&server, &parts, body, client, &mut account).await
        } else if public {
            match identify(&server, &parts, client, &mut account).await {
                Ok(caller) => {
                    account.is_asked_by(caller, &parts, said);
                    Routed::new(&server, parts, body, client, &mut account).await
                }
                Err(response) => response,
            }
        } else {
            let asker = (client, account.conn.peer);
            admin::answer(&server, &parts, body, asker, account.id()).await
        };
        (response, account)
    });
    Answering { account: None, going: Going::Rare { rare } }
}

pin_project! {
    /// One request while it is answered.
    pub(crate) struct Answering {
        // Dropped before the account: a request is over once its handler is.
        #[pin]
        going: Going,
        // `None` while the rare way has it.
        account: Option<Box<Account>>,
    }
}

pin_project! {
    /// How a request is answered.
    #[project = GoingIs]
    enum Going {
        /// It has been.
        Told { response: Response },
        /// By the routes.
        Routed { #[pin] routed: Routed },
        /// By what has to wait before the routes, or is none of them.
        Rare { rare: Rare<(Response, Box<Account>)> },
    }
}

impl Future for Answering {
    type Output = Result<http::Response<Counted<Box<Account>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.going.project() {
            GoingIs::Told { response } => std::mem::take(response),
            GoingIs::Routed { routed } => ready!(routed.poll(cx)),
            GoingIs::Rare { rare } => {
                let (response, account) = ready!(rare.as_mut().poll(cx));
                *this.account = Some(account);
                response
            }
        };
        let account = this.account.take().expect("a request is answered once");
        Poll::Ready(Ok(finished(account, response)))
    }
}

/// The answer as it goes out.
fn finished(mut account: Box<Account>, mut response: Response) -> http::Response<Counted<Box<Account>>> {
    let grpc = account.is_grpc();
    if account.is_unread_grpc_web(response.status()) {
        response = grpc::unread(account.id());
    }
    // The limit that refused it is not one of those of the caller, which have room left: two of them would contradict each other.
    let of_another = is_exhausted(&response, grpc) && !account.standing.is_refused();
    if grpc {
        response = grpc::as_status(response);
    }
    if let Some(asked) = account.upgrade.take()
        && asked.is_agreed(response.status(), response.headers())
        && !asked.begin(&account)
    {
        response = Overloaded::answer(account.id());
    }
    let server = &*account.server;
    let status = response.status();
    // A challenge of a handler's own stays as it is.
    let ours = response.extensions().get::<Challenge>().is_some();
    if let Some(client) = account.for_file.take()
        && !is_file(status, response.headers())
    {
        server.limits.was_no_file(*client, &mut account.standing);
    }
    let headers = response.headers_mut();
    if is_of_one_request(status, headers) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    } else if account.is_personal(headers) {
        // No cache but the client's own keeps it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    // What of them is for browsers, gRPC does not need.
    let nothing = Standing::default();
    let standing = if of_another { &nothing } else { &account.standing };
    let own = Own { id: account.id(), standing, browsers: !grpc };
    server.fields.add(&own, &server.limits, headers);
    if !grpc {
        server.headers.share(account.origin.clone(), headers);
    }
    match &server.auth {
        Some(auth) if ours => auth.challenge(headers),
        // Credentials that nobody here takes are not asked for; the console takes its token.
        None if ours
            && account.surface == Surface::Public
            && headers.get(header::WWW_AUTHENTICATE).is_some_and(|value| value == "Bearer") =>
        {
            headers.remove(header::WWW_AUTHENTICATE);
        }
        // No credential of a request would change it.
        None if ours && status == StatusCode::FORBIDDEN => forget_scope(headers),
        _ => {}
    }
    // An upgrade says `upgrade` there, or its client does not take it for one.
    if server.closing() && !account.conn.is_http2() && status != StatusCode::SWITCHING_PROTOCOLS {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    account.answered(response.status(), response.headers());
    response.map(|body| Counted::new(body, account))
}

/// Whether a rate limit has refused it, of the service or of something behind it.
fn is_exhausted(response: &Response, grpc: bool) -> bool {
    const RESOURCE_EXHAUSTED: u8 = 8;
    response.status() == StatusCode::TOO_MANY_REQUESTS
        || grpc && grpc::code_of(response.headers()) == Some(RESOURCE_EXHAUSTED)
}

/// Whether an answer is a refusal that says nothing of caches: the next request may end otherwise, and some of them caches keep
/// for as long as they like (RFC 9110, section 15.1).
fn is_of_one_request(status: StatusCode, headers: &HeaderMap) -> bool {
    let kept = matches!(status.as_u16(), 404 | 405 | 410 | 414 | 501);
    let problem = || headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    status.as_u16() >= 400 && !headers.contains_key(header::CACHE_CONTROL) && (kept || problem())
}

/// Whether an answer is a file, as far as a cache could tell, or asks the client to come again.
fn is_file(status: StatusCode, headers: &HeaderMap) -> bool {
    let validated = || headers.contains_key(header::LAST_MODIFIED) || headers.contains_key(header::ETAG);
    match status {
        StatusCode::NOT_MODIFIED | StatusCode::SERVICE_UNAVAILABLE => true,
        _ => status.is_success() && validated(),
    }
}

fn forget_scope(headers: &mut HeaderMap) {
    if headers.get(header::WWW_AUTHENTICATE).is_some_and(|value| value == INSUFFICIENT_SCOPE) {
        headers.remove(header::WWW_AUTHENTICATE);
    }
}

/// A request as its head tells it.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    parts: &'a Parts,
    said: Said,
    client: Client,
    surface: Surface,
}

/// What is answered before any route sees the request: probes, refusals, browsers that ask first.
fn refuse(server: &Server, asked: Asked<'_>, account: &mut Account) -> Option<Response> {
    let Asked { parts, said, client, surface } = asked;
    let http = &server.settings.http;
    let problem = |problem: &Problem, account: &Account| Some(problem.answer(Some(account.id())));
    if let Some(unfit) = unfit(asked, &account.conn, http) {
        // Whoever sends what is refused in any case has no more of it than of other requests.
        let charged = (surface == Surface::Public).then(|| charged(server, client, account, false)).flatten();
        return problem(&charged.unwrap_or(unfit), account);
    }
    // No page of a browser reaches a Unix socket.
    if surface == Surface::Admin
        && account.conn.peer != Peer::Local
        && let Err(other) = server.console.check_host(parts)
    {
        return problem(&other, account);
    }
    if !account.conn.is_trusted() {
        let why = "The certificate of this connection's client is no longer valid.";
        let charged = (surface == Surface::Public).then(|| charged(server, client, account, false)).flatten();
        let distrusted = || Problem::new(StatusCode::MISDIRECTED_REQUEST).detail(why);
        return problem(&charged.unwrap_or_else(distrusted), account);
    }
    if let Some((probe, path)) = probe_of(parts.uri.path())
        && (surface == Surface::Admin || server.probes.contains(&path))
    {
        account.probe(path);
        return Some(probed(server, surface, probe, parts, account.id()));
    }
    if server.starting {
        return Some(starting::not_yet(account.id()));
    }
    if grpc::asks_health(server, parts) {
        account.is_free();
        return expired(asked, account);
    }
    let old = said.has(Said::KIND).then(|| grpc::over_old_http(server, parts)).flatten();
    if surface == Surface::Admin {
        return old.and_then(|old| problem(&old, account));
    }
    if server.headers.is_preflight(&parts.method, &parts.headers) {
        account.is_free();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        server.headers.preflight(&parts.headers, response.headers_mut());
        return Some(response);
    }
    if let Some(refusal) = charged(server, client, account, may_be_file(server, parts)) {
        return problem(&refusal, account);
    }
    if let Some(old) = old {
        return problem(&old, account);
    }
    expired(asked, account)
}

/// What no client may send, whatever it is for.
fn unfit(asked: Asked<'_>, conn: &Conn, http: &Http) -> Option<Problem> {
    if asked.said.has(Said::CODING)
        && asked.parts.version < Version::HTTP_2
        && !host::is_framed(&asked.parts.headers)
    {
        // Whoever stands in between may read another end of the body (RFC 9112, section 6.1).
        let why = "`Transfer-Encoding` must be `chunked`, and stand there once.";
        return Some(Problem::new(StatusCode::NOT_IMPLEMENTED).detail(why));
    }
    oversized(asked.parts, asked.said, http.uri_limit, http.header_limit).or_else(|| {
        let why = conn.host.check(asked.parts, asked.said).err()?;
        Some(Problem::new(StatusCode::BAD_REQUEST).detail(why))
    })
}

/// Whether a request may be for a file. Whoever shows a credential that is judged here asks for something else: there is no second
/// bucket for guesses.
fn may_be_file(server: &Server, parts: &Parts) -> bool {
    server.mounts.may_be_file(&parts.method, parts.uri.path())
        && !(server.auth.is_some() && Auth::is_shown(&parts.headers))
}

/// Charges the client for a request, which may be for a file; what it is told where it has none left.
fn charged(server: &Server, client: Client, account: &mut Account, file: bool) -> Option<Problem> {
    let bucket = match &account.route {
        Some(route) if route.limits.rate_limit.is_some() => Bucket::Route(route.at),
        _ if file => Bucket::Files,
        _ => Bucket::All,
    };
    let refused = server.limits.charge(bucket, client, account.began, &mut account.standing);
    account.for_file = account.standing.is_of_files().then(|| Box::new(client));
    let wait = refused?;
    recent::refused("http client", "rate_limited");
    Some(account.standing.refusal(wait))
}

/// Notes how much time there is; answers a request that has none.
fn expired(asked: Asked<'_>, account: &mut Account) -> Option<Response> {
    let problem = match deadline::of(&asked.parts.headers, asked.said, Duration::MAX) {
        Ok(asked) if asked.is_zero() => {
            account.is_asked_within(asked);
            late()
        }
        Ok(asked) => {
            account.is_asked_within(asked);
            account.ends_within((asked < Duration::MAX).then_some(asked));
            return None;
        }
        Err(unreadable) => Problem::new(StatusCode::BAD_REQUEST).detail(unreadable.detail()),
    };
    Some(problem.answer(Some(account.id())))
}

/// Who is calling, within the deadline, and whether they may call as often.
async fn identify(
    server: &Server,
    parts: &Parts,
    client: Client,
    account: &mut Account,
) -> Result<Option<Caller>, Response> {
    let certificate = account.conn.principal.as_ref();
    let caller = match &server.auth {
        None => certificate.map(|principal| Caller { principal: principal.clone(), tenant: None }),
        Some(auth) => judge(auth, server, parts, client, account).await?,
    };
    if let Some(caller) = &caller
        && let Some(wait) =
            server.limits.charge_caller(&caller.principal.id, caller.tenant.as_deref(), &mut account.standing)
    {
        return Err(account.standing.refusal(wait).answer(Some(account.id())));
    }
    Ok(caller)
}

/// Whom the credentials name, within the deadline.
async fn judge(
    auth: &Auth,
    server: &Server,
    parts: &Parts,
    client: Client,
    account: &mut Account,
) -> Result<Option<Caller>, Response> {
    if let Some(wait) = server.limits.has_guessed(client, &account.standing)
        && Auth::is_shown(&parts.headers)
    {
        account.standing.is_used_up(wait);
        return Err(account.standing.refusal(wait).answer(Some(account.id())));
    }
    let judged = tokio::select! {
        biased;
        judged = auth.judge(&parts.headers, account.conn.principal.as_ref()) => judged,
        () = clock::until(account.deadline) => return Err(late().answer(Some(account.id()))),
        () = server.is_cut() => return Err(closing().answer(Some(account.id()))),
    };
    judged.map_err(|refusal| {
        if refusal.is_the_callers() {
            server.limits.fine(client, &mut account.standing);
        }
        refusal.problem().answer(Some(account.id()))
    })
}

fn oversized(parts: &Parts, said: Said, uri_limit: u64, header_limit: u64) -> Option<Problem> {
    let uri = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if uri as u64 > uri_limit {
        let detail = format!("Path and query are longer than {uri_limit} bytes.");
        return Some(Problem::new(StatusCode::URI_TOO_LONG).detail(detail));
    }
    if said.size > header_limit {
        let detail = format!("The header fields are larger than {header_limit} bytes.");
        return Some(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).detail(detail));
    }
    None
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

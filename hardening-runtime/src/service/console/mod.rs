//! The console: a page on the admin listener that shows what the service does, and lets whoever has the token act.
//!
//! The page and what it needs are part of the binary. It asks for the state each second: a plain answer each time, so
//! that nothing is kept for whoever looks, and a drain is seen to its end. What is set here is the topmost layer of
//! settings and lives as long as the process.

mod access;
mod actions;
mod audit;
mod configuration;
mod state;
mod throttle;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::mpsc;

use self::audit::{Action, Asker, Audit, Deed, Outcome};
use self::throttle::{Offence, Throttle, WRONG_TOKEN_WAITS};
use super::address::Peer;
use super::client::Client;
use super::limit;
use super::problem::{Methods, Problem};
use super::reload::Reloader;
use super::server::Server;
use super::shutdown::Event;
use crate::clock::{self, Nanos};
use crate::settings::admin::Admin;

/// The longest body of an action.
const BODY_LIMIT: usize = 16 * 1024;

/// No script and no style but those of the page itself; nothing is framed, and nothing is sent elsewhere.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Paths, media types and contents.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("assets/index.html")),
    ("/console", "text/html; charset=utf-8", include_str!("assets/index.html")),
    ("/console/console.css", "text/css; charset=utf-8", include_str!("assets/console.css")),
    ("/console/console.js", "text/javascript; charset=utf-8", include_str!("assets/console.js")),
    ("/console/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// The console of one service.
#[derive(Debug)]
pub(crate) struct Console {
    reloader: Arc<Reloader>,
    /// Whether the admin listener is bound to a loopback address.
    loopback: bool,
    began: Nanos,
    audit: Audit,
    throttle: Throttle,
    drain: OnceLock<mpsc::UnboundedSender<Event>>,
    /// Whether it was asked for: a second word would skip ahead, as a second signal does.
    drains: AtomicBool,
}

impl Console {
    pub(super) fn new(reloader: Arc<Reloader>, loopback: bool) -> Self {
        Self {
            reloader,
            loopback,
            began: clock::now(),
            audit: Audit::default(),
            throttle: Throttle::new(),
            drain: OnceLock::new(),
            drains: AtomicBool::new(false),
        }
    }

    /// Where a shutdown is asked for.
    pub(super) fn drains_by(&self, events: mpsc::UnboundedSender<Event>) {
        // Set once, before anything is served.
        let _ = self.drain.set(events);
    }

    /// Its metrics.
    pub(crate) fn render(&self, out: &mut String) {
        self.audit.render(out);
    }

    /// Refuses a request for another host than those of the admin listener.
    ///
    /// # Errors
    /// With the answer to it.
    pub(super) fn check_host(&self, parts: &Parts) -> Result<(), Problem> {
        self.reloader.look(|in_force| access::check_host(parts, &in_force.loaded.settings.admin.hosts))
    }

    fn admin(&self) -> Admin {
        self.reloader.look(|in_force| in_force.loaded.settings.admin.clone())
    }

    /// Whether the request carries the token. Wrong ones wait, and where there were too many, only tokens from this machine are
    /// looked at, a few at a time.
    async fn knows(&self, request: &Asked<'_>, admin: &Admin, action: Action) -> Result<bool, Problem> {
        let Some(given) = access::token(&request.parts.headers).filter(|_| admin.token.is_set()) else {
            return Ok(false);
        };
        let (client, offence) = (request.client, Offence::WrongToken);
        if let Err(wait) = self.throttle.charge(client, offence) {
            let look = self.throttle.look(client, request.peer).await;
            if look.is_some() && admin.token.is(given) {
                return Ok(true);
            }
            self.audit.throttled(action);
            return Err(limit::refusal(wait));
        }
        if admin.token.is(given) {
            self.throttle.refund(client, offence);
            return Ok(true);
        }
        tokio::time::sleep(WRONG_TOKEN_WAITS).await;
        let deed = Deed { why: "wrong token".to_owned(), ..Deed::default() };
        self.audit.note(request.asker(false), action, Outcome::Denied, deed);
        Err(Problem::new(StatusCode::UNAUTHORIZED).detail("This is not the token of `[admin] token`."))
    }

    /// # Errors
    /// With the answer to a client that has done this too often.
    fn charge(&self, request: &Asked<'_>, action: Action, offence: Offence) -> Result<(), Problem> {
        self.throttle.charge(request.client, offence).map_err(|wait| {
            self.audit.throttled(action);
            limit::refusal(wait)
        })
    }

    /// Whether the request may read, and whether it carries the token.
    async fn may_read(&self, request: &Asked<'_>) -> Result<bool, Problem> {
        let admin = self.admin();
        let known = self.knows(request, &admin, Action::Read).await?;
        if known || access::is_open(&admin, self.loopback) {
            return Ok(known);
        }
        if admin.token.is_set() {
            return Err(
                Problem::new(StatusCode::UNAUTHORIZED).detail("Reading needs the token of `[admin] token`.")
            );
        }
        Err(Problem::new(StatusCode::FORBIDDEN).detail(
            "The admin listener is bound to an address that others reach, so reading needs a token: set `[admin] token`, \
             or `[admin] open = \"always\"`.",
        ))
    }

    /// Whether the request may act.
    async fn may_act(&self, request: &Asked<'_>, action: Action) -> Result<(), Problem> {
        let admin = self.admin();
        if self.knows(request, &admin, action).await? {
            return Ok(());
        }
        let (status, why) = if admin.token.is_set() {
            (
                StatusCode::UNAUTHORIZED,
                "Actions need the token of `[admin] token`, as `authorization: Bearer …`.",
            )
        } else {
            (
                StatusCode::FORBIDDEN,
                "The console is read-only: set `[admin] token`, or `HARDENING_ADMIN__TOKEN`, to at least 16 characters.",
            )
        };
        self.charge(request, action, Offence::NoToken)?;
        let deed = Deed { why: why.to_owned(), ..Deed::default() };
        self.audit.note(request.asker(false), action, Outcome::Denied, deed);
        Err(Problem::new(status).detail(why))
    }
}

/// One request to the console.
struct Asked<'a> {
    parts: &'a Parts,
    client: Client,
    peer: Peer,
    id: &'a str,
}

impl Asked<'_> {
    const fn asker(&self, known: bool) -> Asker<'_> {
        Asker { client: self.client.ip, request_id: self.id, known }
    }
}

/// Whether a path is the console's.
pub(super) fn is_path(path: &str) -> bool {
    path == "/" || path == "/console" || path.starts_with("/console/")
}

/// Answers a request to one of the console's paths.
pub(super) async fn answer(
    server: &Server,
    parts: &Parts,
    body: Incoming,
    (client, peer): (Client, Peer),
    id: &str,
) -> Response {
    let request = Asked { parts, client, peer, id };
    let mut response = match answered(server, &request, body).await {
        Ok(response) => response,
        Err(problem) => problem.answer(Some(id)),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answered(server: &Server, request: &Asked<'_>, body: Incoming) -> Result<Response, Problem> {
    let (console, parts) = (&server.console, request.parts);
    access::check_named(parts)?;
    let path = parts.uri.path();
    if let Some((_, kind, text)) = FILES.iter().find(|(known, _, _)| *known == path) {
        only(parts, Methods::Read)?;
        return Ok(written(StatusCode::OK, kind, (*text).to_owned()));
    }
    let Some(path) = path.strip_prefix("/console/api/") else {
        return Err(Problem::new(StatusCode::NOT_FOUND));
    };
    access::check_origin(parts)?;
    match path {
        "state" => {
            only(parts, Methods::Read)?;
            let known = console.may_read(request).await?;
            Ok(json(StatusCode::OK, &state::of(server, console, known)))
        }
        "configuration" => {
            only(parts, Methods::Read)?;
            console.may_read(request).await?;
            Ok(json(
                StatusCode::OK,
                &console.reloader.look(|in_force| configuration::of(&console.reloader, in_force)),
            ))
        }
        _ => {
            let action = path.strip_prefix("actions/").and_then(Action::named);
            let Some(action) = action else { return Err(Problem::new(StatusCode::NOT_FOUND)) };
            only(parts, Methods::Post)?;
            console.may_act(request, action).await?;
            let asked = read(server, parts, body).await?;
            let may_break_rules = action != Action::Verify;
            if may_break_rules {
                console.charge(request, action, Offence::BreaksRule)?;
            }
            let done = actions::run(server, console, action, &asked);
            if may_break_rules && done.is_ok() {
                console.throttle.refund(request.client, Offence::BreaksRule);
            }
            let (outcome, deed) = match &done {
                Ok(deed) => (Outcome::Applied, deed.clone()),
                Err(deed) => (Outcome::Refused, deed.clone()),
            };
            console.audit.note(request.asker(true), action, outcome, deed);
            match done {
                Ok(deed) => {
                    let done = serde_json::json!({ "what": deed.what, "was": deed.was, "now": deed.now });
                    Ok(json(StatusCode::OK, &done))
                }
                Err(deed) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(deed.why)),
            }
        }
    }
}

/// # Errors
/// 405, for every other method.
fn only(parts: &Parts, methods: Methods) -> Result<(), Problem> {
    if methods.name().split(',').any(|method| parts.method == method) {
        return Ok(());
    }
    Err(Problem::other_method(methods))
}

/// What an action was sent with; nothing is an empty object.
async fn read(server: &Server, parts: &Parts, body: Incoming) -> Result<Value, Problem> {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    // Forms of other pages can send anything but this.
    if kind.is_none_or(|kind| kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json")) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("Write `application/json`."));
    }
    let whole = Limited::new(body, BODY_LIMIT).collect();
    let whole = tokio::time::timeout(server.settings.http.body_timeout, whole).await;
    let late = || Problem::new(StatusCode::REQUEST_TIMEOUT).detail("The body did not arrive in time.");
    let whole = whole.map_err(|_| late())?;
    let whole = whole.map_err(|_| super::request::too_large(BODY_LIMIT as u64))?.to_bytes();
    let malformed = || Problem::new(StatusCode::BAD_REQUEST).detail("The body is no JSON object.");
    let value: Value = serde_json::from_slice(&whole).map_err(|_| malformed())?;
    if value.is_object() { Ok(value) } else { Err(malformed()) }
}

fn json(status: StatusCode, value: &Value) -> Response {
    written(status, "application/json", value.to_string())
}

fn written(status: StatusCode, kind: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

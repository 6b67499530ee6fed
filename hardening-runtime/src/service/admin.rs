//! The admin listener: metrics, the console, and health with its reasons.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;

use super::address::Peer;
use super::client::Client;
use super::console;
use super::pools;
use super::problem::{Methods, Problem};
use super::server::Server;
use crate::telemetry::text::Family;
use crate::telemetry::{calls, facade, log, runtime};

/// Answers everything but probes.
pub(crate) async fn answer(
    server: &Server,
    parts: &Parts,
    body: Incoming,
    asker: (Client, Peer),
    id: &str,
) -> Response {
    if console::is_path(parts.uri.path()) {
        return console::answer(server, parts, body, asker, id).await;
    }
    if parts.uri.path() != "/metrics" {
        return Problem::new(StatusCode::NOT_FOUND).answer(Some(id));
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Problem::other_method(Methods::Read).answer(Some(id));
    }
    let mut response = Response::new(Body::from(metrics(server)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Every series of the process in Prometheus' text format.
pub(crate) fn metrics(server: &Server) -> String {
    let mut out = String::with_capacity(16 * 1024);
    calls::render(&mut out);
    super::reload::render(&mut out);
    super::panics::render(&mut out);
    log::render(&mut out);
    if let Some(tls) = &server.tls {
        tls.render(&mut out);
    }
    if let Some(traces) = &server.traces {
        traces.render(&mut out);
    }
    if let Some(alerts) = &server.alerts {
        alerts.render(&server.stats, &mut out);
    }
    server.stats.render(&mut out);
    if let Some(auth) = &server.auth {
        auth.render(&mut out);
    }
    server.connections.render(&mut out);
    server.upgrades.render(&mut out);
    server.shed.render(&mut out);
    server.limits.render(&mut out);
    server.health.render(&mut out);
    server.tasks.render(&mut out);
    crate::secret::render(&server.secrets, &mut out);
    super::ending::render(server, &mut out);
    pools::render(&server.pools, &mut out);
    runtime::render(&mut out);
    server.console.render(&mut out);
    let mut family = Family::gauge(&mut out, "build_info", "What is running.");
    let labels = [
        ("version", server.version),
        ("commit", server.settings.service.commit.as_str()),
        ("rustc", env!("HARDENING_RUSTC")),
    ];
    family.sample(&labels, 1);
    facade::render(&mut out);
    out
}

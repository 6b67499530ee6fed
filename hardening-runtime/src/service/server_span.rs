//! The span of one request, by the semantic conventions of OpenTelemetry for servers of HTTP and gRPC.

use std::net::IpAddr;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, Uri, Version, header};

use super::address::Peer;
use super::host;
use crate::clock::{nanos, since_1970};
use crate::context::Trace;
use crate::telemetry::conventions::{is_error_of_rpc, known_method, version_name};
use crate::telemetry::http::GRPC_CODES;
use crate::telemetry::redact;
use crate::telemetry::traces::{Kind, Record, Status, Traces};

/// What a span says that only the head of its request tells.
#[derive(Debug)]
pub(super) struct Seen {
    version: Version,
    user_agent: Option<HeaderValue>,
    /// The host and perhaps the port that its client asks.
    host: Option<String>,
}

impl Seen {
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            version: parts.version,
            user_agent: parts.headers.get(header::USER_AGENT).cloned(),
            host: host::named(parts).next().filter(|host| !host.is_empty()).map(str::to_owned),
        }
    }
}

/// What is said of a request that has been answered.
pub(super) struct Answered<'a> {
    pub(super) trace: &'a Trace,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) seen: &'a Seen,
    /// The route's pattern, where one matched.
    pub(super) route: Option<&'a str>,
    pub(super) https: bool,
    /// `None` for a client that went away before the answer.
    pub(super) status: Option<u16>,
    /// How a call of gRPC ended.
    pub(super) grpc: Option<u8>,
    pub(super) client: Option<IpAddr>,
    pub(super) peer: Peer,
    pub(super) request_id: &'a str,
    pub(super) took: Duration,
}

/// Records the span of a request that has just been answered. The query, which may hold secrets, is left out.
pub(super) fn record(traces: &Traces, answered: &Answered<'_>) {
    let trace = answered.trace;
    let ended = nanos(since_1970());
    let mut record = Record {
        trace: trace.id,
        span: trace.span,
        parent: trace.parent,
        remote_parent: trace.parent != 0,
        random: trace.flags.random,
        state: trace.state.clone(),
        kind: Kind::Server,
        began: ended.saturating_sub(answered.took.as_nanos() as u64),
        ended,
        ..Record::default()
    };
    match answered.grpc {
        Some(code) => of_grpc(answered, code, &mut record),
        None => of_http(answered, &mut record),
    }
    network(answered, &mut record);
    record.set("hardening.request_id", answered.request_id);
    traces.take(record);
}

fn of_http(answered: &Answered<'_>, record: &mut Record) {
    let Answered { method, uri, route, https, status, .. } = *answered;
    let known = known_method(method);
    let named = known.unwrap_or("HTTP");
    record.name = route.map_or_else(|| named.to_owned(), |route| format!("{named} {route}")).into();
    record.set("http.request.method", known.unwrap_or("_OTHER"));
    if known.is_none() {
        record.set("http.request.method_original", method.as_str());
    }
    record.set("url.path", &*redact::text(uri.path()));
    record.set("url.scheme", if https { "https" } else { "http" });
    if let Some(route) = route {
        record.set("http.route", route);
    }
    match status {
        Some(status) => {
            record.set("http.response.status_code", i64::from(status));
            if status >= 500 {
                record.set("error.type", status.to_string().as_str());
                record.status = Status::Error(String::new());
            }
        }
        None => record.set("error.type", "client_went_away"),
    }
}

fn of_grpc(answered: &Answered<'_>, code: u8, record: &mut Record) {
    const SYSTEM: &str = "grpc";
    let path = answered.uri.path();
    let asked = path.strip_prefix('/').unwrap_or(path);
    // A method that there is has a name of its own among the routes; all others share one, and whoever calls chooses theirs.
    if answered.route == Some(path) {
        record.name = asked.to_owned().into();
        record.set("rpc.method", asked);
    } else {
        record.name = SYSTEM.into();
        record.set("rpc.method", "_OTHER");
        record.set("rpc.method_original", &*redact::text(asked));
    }
    record.set("rpc.system.name", SYSTEM);
    let name = GRPC_CODES[usize::from(code).min(GRPC_CODES.len() - 1)];
    record.set("rpc.status_code", name);
    if is_error_of_rpc(code) {
        record.set("error.type", name);
        record.status = Status::Error(String::new());
    }
}

/// Between whom it went.
fn network(answered: &Answered<'_>, record: &mut Record) {
    let Seen { version, user_agent, host } = answered.seen;
    if let Some((address, port)) = host.as_deref().map(host::parts_of) {
        let usual = if answered.https { 443 } else { 80 };
        record.set("server.address", address);
        record.set("server.port", i64::from(port.unwrap_or(usual)));
    }
    if let Some(client) = answered.client {
        record.set("client.address", client.to_canonical().to_string().as_str());
    }
    if let Some(peer) = answered.peer.address() {
        record.set("network.peer.address", peer.ip().to_canonical().to_string().as_str());
        record.set("network.peer.port", i64::from(peer.port()));
    }
    record.set("network.protocol.version", version_name(*version));
    if let Some(agent) = user_agent {
        let agent = String::from_utf8_lossy(agent.as_bytes());
        record.set("user_agent.original", &*redact::text(&agent));
    }
}

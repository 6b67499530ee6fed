//! The span of one request, by the semantic conventions of OpenTelemetry for HTTP servers.

use std::net::IpAddr;
use std::time::Duration;

use http::{Method, Uri, Version};

use crate::clock::{nanos, since_1970};
use crate::context::Trace;
use crate::telemetry::redact;
use crate::telemetry::traces::{Kind, Record, Status, Traces};

/// What is said of a request that has been answered.
pub(super) struct Answered<'a> {
    pub(super) trace: &'a Trace,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) version: Version,
    /// The route's pattern, where one matched.
    pub(super) route: Option<&'a str>,
    pub(super) https: bool,
    /// `None` for a client that went away before the answer.
    pub(super) status: Option<u16>,
    /// How a call of gRPC ended, and whether the service is at fault.
    pub(super) grpc: Option<(u8, bool)>,
    pub(super) client: Option<IpAddr>,
    pub(super) request_id: &'a str,
    pub(super) took: Duration,
}

/// Records the span of a request that has just been answered. The query, which may hold secrets, is left out.
pub(super) fn record(traces: &Traces, answered: &Answered<'_>) {
    let Answered { trace, method, uri, version, route, https, status, grpc, client, request_id, took } =
        *answered;
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"];
    let known = known.into_iter().find(|known| *known == method.as_str());
    let ended = nanos(since_1970());
    // What clients may send without bound is not part of a name.
    let named = known.unwrap_or("HTTP");
    let mut record = Record {
        trace: trace.id,
        span: trace.span,
        parent: trace.parent,
        remote_parent: trace.parent != 0,
        state: trace.state.clone(),
        name: route.map_or_else(|| named.to_owned(), |route| format!("{named} {route}")).into(),
        kind: Kind::Server,
        began: ended.saturating_sub(took.as_nanos() as u64),
        ended,
        ..Record::default()
    };
    record.set("http.request.method", known.unwrap_or("_OTHER"));
    if known.is_none() {
        record.set("http.request.method_original", method.as_str());
    }
    record.set("url.path", &*redact::text(uri.path()));
    record.set("url.scheme", if https { "https" } else { "http" });
    if let Some(route) = route {
        record.set("http.route", route);
    }
    record.set("network.protocol.version", if version >= Version::HTTP_2 { "2" } else { "1.1" });
    if let Some(client) = client {
        record.set("client.address", client.to_string().as_str());
    }
    record.set("hardening.request_id", request_id);
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
    if let Some((code, fault)) = grpc {
        record.set("rpc.system", "grpc");
        record.set("rpc.grpc.status_code", i64::from(code));
        if fault {
            record.set("error.type", code.to_string().as_str());
            record.status = Status::Error(String::new());
        }
    }
    traces.take(record);
}

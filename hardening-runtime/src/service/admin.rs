//! The admin listener: metrics, the console, and health with its reasons.

use std::io::Write as _;

use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
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
    let text = metrics(server, server.settings.telemetry.rare_zeros);
    let mut response = match takes_gzip(&parts.headers).then(|| packed(&text)).flatten() {
        Some(packed) => {
            let mut response = Response::new(Body::from(packed));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        None => Response::new(Body::from(text)),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Whether a scraper takes gzip, as Prometheus does.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let takes = |coding: &str| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight: String = weight.split_whitespace().collect();
        let refused = weight.strip_prefix("q=").is_some_and(|q| q.trim_end_matches(['0', '.']).is_empty());
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    };
    let fields = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(|field| field.split(',')).any(takes)
}

fn packed(text: &str) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    packer.write_all(text.as_bytes()).ok()?;
    packer.finish().ok()
}

/// Families of which most series stay zero.
const RARE: [&str; 8] = [
    "hardening_calls_total{",
    "hardening_attempts_total{",
    "hardening_retries_total{",
    "hardening_circuit_transitions_total{",
    "hardening_rate_limit_decisions_total{",
    "hardening_cache_requests_total{",
    "hardening_idempotency_total{",
    "hardening_hedges_total{",
];

/// The series of calls without those of [`RARE`] that are zero.
fn without_rare_zeros(text: &str) -> String {
    let rare = |line: &&str| line.ends_with(" 0\n") && RARE.iter().any(|family| line.starts_with(family));
    text.split_inclusive('\n').filter(|line| !rare(line)).collect()
}

/// Every series of the process in Prometheus' text format; of what has not happened yet, `zeros` or nothing.
pub(crate) fn metrics(server: &Server, zeros: bool) -> String {
    let mut out = String::with_capacity(16 * 1024);
    calls::render(&mut out);
    if !zeros {
        out = without_rare_zeros(&out);
    }
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
    server.answers.render(&mut out);
    server.bodies.render(&mut out);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (field, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip; q=1.0", true),
            ("gzip;q=0", false),
            ("gzip ; q=0.000", false),
            ("identity", false),
            ("xgzip", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(field))]);
            assert_eq!(takes_gzip(&headers), takes, "{field}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn zeros_of_what_is_rare_are_left_out_and_nothing_else() {
        let text = "# TYPE hardening_calls_total counter\nhardening_calls_total{outcome=\"a\"} 0\n\
                    hardening_calls_total{outcome=\"b\"} 10\nhardening_in_flight{call=\"a\"} 0\n";
        let expected = "# TYPE hardening_calls_total counter\nhardening_calls_total{outcome=\"b\"} 10\n\
                        hardening_in_flight{call=\"a\"} 0\n";
        assert_eq!(without_rare_zeros(text), expected);
    }
}

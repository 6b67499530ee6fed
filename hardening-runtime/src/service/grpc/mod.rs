//! gRPC: its requests go to its services within the limits of every request, and what is refused is a status.

mod ends;
mod health;
mod messages;
mod methods;
mod spec;
mod status;
mod watchers;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::limit::FIELDS as OF_LIMITS;
use super::plain::as_problem;
use super::problem::{Media, Problem};
use super::route::Live;
use super::server::Server;

pub(super) use health::{answer as health, asked as asks_health};
pub(super) use messages::reading;
pub(super) use methods::prepared;
pub(super) use watchers::Watchers;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Whether this is a call of gRPC: by its content type, which anybody may write, where something of gRPC could answer it.
pub(super) fn is(server: &Server, parts: &Parts) -> bool {
    parts.version >= Version::HTTP_2 && is_kind(&parts.headers) && is_for_us(server, parts)
}

/// Whether a service of gRPC or its health is there. All other requests are HTTP's, whatever they call themselves.
fn is_for_us(server: &Server, parts: &Parts) -> bool {
    server.grpc.is_some() || health::is_path(parts)
}

/// Whether this is a call of gRPC-Web, which no service of gRPC reads, where there are services of it.
pub(super) fn is_web(server: &Server, parts: &Parts) -> bool {
    const KIND: &[u8] = b"application/grpc-web";
    let begins = |kind: &[u8]| kind.get(..KIND.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(KIND));
    server.grpc.is_some()
        && parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| begins(kind.as_bytes()))
}

/// What is said to a call of gRPC-Web that no route has taken.
pub(super) fn unread(id: &str) -> Response {
    Problem::other_media(Media::Grpc).answer(Some(id))
}

/// `application/grpc`, perhaps with a codec or parameters; `application/grpc-web` is another protocol.
fn is_kind(headers: &HeaderMap) -> bool {
    const KIND: &[u8] = b"application/grpc";
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return false };
    let Some((kind, rest)) = kind.as_bytes().split_at_checked(KIND.len()) else { return false };
    kind.eq_ignore_ascii_case(KIND) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// What is said to a call that came over HTTP/1, which has no room for gRPC.
pub(super) fn over_old_http(server: &Server, parts: &Parts) -> Option<Problem> {
    let old = parts.version < Version::HTTP_2 && is_kind(&parts.headers) && is_for_us(server, parts);
    old.then(|| {
        Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED)
            .detail("gRPC needs HTTP/2, from the client and from every proxy on the way.")
    })
}

/// The status that a head or trailers hold; what is none of gRPC's is UNKNOWN.
pub(super) fn code_of(headers: &HeaderMap) -> Option<u8> {
    let code = headers.get(STATUS)?.to_str().ok().and_then(|code| code.parse().ok());
    Some(code.filter(|code| *code <= 16).unwrap_or(2))
}

/// A call's body as it is. The layer around all that the services' router holds bounds it, once it is known what it goes to.
pub(super) fn bounded(body: Incoming) -> Body {
    if body.is_end_stream() { Body::empty() } else { Body::new(body) }
}

/// What a service has answered: a stream ends with a status whatever happens, and what is not gRPC's becomes a problem. `read`
/// where the call's body gave something at once before.
pub(super) async fn answered(
    mut response: Response,
    live: &Arc<Live>,
    ends: Option<Instant>,
    read: bool,
) -> Response {
    if !is_kind(response.headers()) {
        return as_problem(response, live).await;
    }
    if response.headers().contains_key(STATUS) {
        status::told(response.headers_mut(), read);
        return response;
    }
    response.map(|body| Body::new(ends::Ends::new(body, &live.server, live.request.id.clone(), ends)))
}

/// What is no answer of gRPC's becomes a status in an answer of nothing but its head.
pub(super) fn as_status(mut response: Response) -> Response {
    response.headers_mut().remove(header::SERVER);
    if is_kind(response.headers()) {
        return response;
    }
    let status = match response.extensions().get::<Problem>() {
        Some(problem) => status::of_problem(problem),
        None => status::of_problem(&Problem::new(response.status())),
    };
    let mut told = status.into_http();
    for name in &OF_LIMITS {
        if let Some(value) = response.headers_mut().remove(name) {
            told.headers_mut().insert(name, value);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_their_content_type() {
        for (kind, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grp", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(is_kind(&headers), grpc, "{kind}");
        }
    }

    #[test]
    fn what_is_no_status_is_unknown() {
        for (value, code) in [("0", 0), ("16", 16), ("17", 2), ("-1", 2), ("x", 2), ("", 2)] {
            let headers = HeaderMap::from_iter([(STATUS, value.parse().unwrap())]);
            assert_eq!(code_of(&headers), Some(code), "{value}");
        }
        assert_eq!(code_of(&HeaderMap::new()), None);
    }
}

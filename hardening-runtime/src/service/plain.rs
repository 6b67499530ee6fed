//! Error answers that are no problem+json yet: extractors', the router's, and plain texts.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::body::Unread;
use super::problem::{Challenge, PROBLEM_JSON, Problem};
use super::request::too_large;
use super::route::Live;
use crate::telemetry::redact;

/// The longest text that is taken over.
const LONGEST: u64 = 4096;
/// When somebody may try again whose body others needed the memory of.
const CROWDED: Duration = Duration::from_secs(1);
/// The longest detail that is passed on.
const LONGEST_DETAIL: usize = 300;

/// What an answer says of the body that it had.
const OF_THE_BODY: [HeaderName; 7] = [
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::ETAG,
    header::TRANSFER_ENCODING,
];

/// Turns a plain error answer into problem+json. A text with a 4xx status becomes its detail; a text with a 5xx
/// status may tell of the internals, so it goes to the log and not to the client.
pub(crate) async fn as_problem(response: Response, live: &Live) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    // A form of its handler's own stays, whose status is right: of what comes too slowly no handler learns that.
    let own = status.is_client_error() && !text && kind.is_some_and(|kind| kind != PROBLEM_JSON);
    if let Some(unread) =
        live.fate.get().filter(|unread| !own || matches!(unread, Unread::TooSlow | Unread::Crowded))
    {
        let mut answer = instead(response, &of_body(unread, live.body_limit), live);
        if unread == Unread::Broken && !live.conn.is_http2() {
            // Where it ends, and what follows it, others may read differently.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        return answer;
    }
    let size = response.body().size_hint().exact();
    match size {
        _ if text && status.is_server_error() && size.is_none_or(|size| size > LONGEST) => {
            tracing::error!(
                request_id = live.request.id,
                status = status.as_u16(),
                "a handler's error text was withheld unread: it is long, compressed or a stream"
            );
            instead(response, &Problem::new(status), live)
        }
        Some(0) if kind.is_none() => instead(response, &Problem::new(status), live),
        Some(size) if text && size <= LONGEST => {
            let (parts, body) = response.into_parts();
            let text = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let text = printable(&text);
            let mut problem = Problem::new(status);
            if status.is_client_error() && !text.is_empty() {
                problem = problem.detail(redact::text(&text).into_owned());
            } else if !text.is_empty() {
                tracing::error!(
                    request_id = live.request.id,
                    status = status.as_u16(),
                    text,
                    "a handler's error text was withheld"
                );
            }
            instead(Response::from_parts(parts, Body::empty()), &problem, live)
        }
        _ => response,
    }
}

fn of_body(unread: Unread, limit: u64) -> Problem {
    match unread {
        Unread::TooLarge => too_large(limit),
        Unread::TooSlow => {
            Problem::new(StatusCode::REQUEST_TIMEOUT).detail("The body did not arrive in time.")
        }
        Unread::Broken => Problem::new(StatusCode::BAD_REQUEST).detail("The body could not be read."),
        Unread::Crowded => Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("Too much memory is held by bodies that are not complete.")
            .retry_after(CROWDED),
    }
}

/// The problem with the other fields of the answer that it stands for, such as `allow`.
fn instead(response: Response, problem: &Problem, live: &Live) -> Response {
    let (mut old, _) = response.into_parts();
    for name in &OF_THE_BODY {
        old.headers.remove(name);
    }
    let mut answer = problem.answer(Some(&live.request.id));
    for name in old.headers.keys() {
        answer.headers_mut().remove(name);
    }
    if old.headers.contains_key(header::WWW_AUTHENTICATE) {
        answer.extensions_mut().remove::<Challenge>();
    }
    for (name, value) in &old.headers {
        answer.headers_mut().append(name, value.clone());
    }
    answer
}

fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let clean: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_DETAIL).collect();
    let clean = clean.trim();
    // axum says which Rust type a part of the path does not fit.
    let said = if clean.starts_with("Invalid URL") { clean.split(" to a `").next() } else { None };
    said.unwrap_or(clean).trim().to_owned()
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_short_and_printable() {
        assert_eq!(printable(b"  Invalid\r\nURL\0 "), "Invalid  URL");
        assert_eq!(printable(b"Invalid URL: Cannot parse `x` to a `u32`"), "Invalid URL: Cannot parse `x`");
        assert_eq!(printable(&[b'x'; 1000]).len(), LONGEST_DETAIL);
    }
}

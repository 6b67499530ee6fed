//! Errors over HTTP: `application/problem+json` (RFC 9457), with the request's id and nothing of the internals.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::telemetry::redact;
use crate::{Rejected, context, retry_after};

/// The media type of every error answer.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error answer under construction.
///
/// ```
/// use hardening_runtime::service::Problem;
/// let problem = Problem::validation().field("quantity", "must lie between 1 and 100");
/// assert_eq!(problem.status().as_u16(), 422);
/// ```
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: Cow<'static, str>,
    title: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// Whether many clients may be refused at once, which are then told different times.
    spread: bool,
    accepts: Option<Media>,
    allows: Option<Methods>,
}

/// The methods that there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Methods {
    Read,
    Post,
}

impl Methods {
    /// As `Allow` has them.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Read => "GET,HEAD",
            Self::Post => "POST",
        }
    }
}

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Media {
    Json,
    Form,
}

impl Media {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, such as `lines[2].quantity`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    /// A problem of this status, titled by the status' own phrase.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            kind: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            spread: false,
            accepts: None,
            allows: None,
        }
    }

    /// 422: fields that are well-formed but not acceptable; name them with [`Problem::field`].
    pub fn validation() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY)
            .kind("urn:hardening:problem:validation")
            .title("Validation failed")
    }

    /// The problem's type, a URI.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.kind = kind.into();
        self
    }

    /// A short summary that is the same for every problem of this type.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = title.into();
        self
    }

    /// What happened this time, for the client to read.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what is wrong with one field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// When a repetition can succeed: `Retry-After`, rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// When a repetition can succeed, told so that not everybody comes at once: see [`again`].
    #[must_use]
    pub(super) fn spread_retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), spread: true, ..self }
    }

    /// 415, with what would have been taken in `Accept`.
    pub(super) fn other_media(wanted: Media) -> Self {
        let detail = format!("Send `content-type: {}`.", wanted.name());
        Self { accepts: Some(wanted), ..Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(detail) }
    }

    /// 405, with the methods that there are in `Allow`.
    pub(super) fn other_method(allowed: Methods) -> Self {
        Self { allows: Some(allowed), ..Self::new(StatusCode::METHOD_NOT_ALLOWED) }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn told(&self) -> (StatusCode, &str, Option<Duration>) {
        (self.status, self.detail.as_deref().unwrap_or(&self.title), self.retry_after)
    }

    /// The body, with the id of the request it answers.
    pub(crate) fn body(&self, request_id: Option<&str>) -> Vec<u8> {
        // Maps of strings and numbers always serialise.
        serde_json::to_vec(&Written { problem: self, request_id }).unwrap_or_default()
    }

    /// The whole answer, with the id of the request it answers.
    pub(crate) fn answer(&self, request_id: Option<&str>) -> Response {
        let mut response = Response::new(Body::from(self.body(request_id)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(after) = self.retry_after {
            let after = if self.spread { retry_after::by_seconds(after) } else { after };
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if let Some(media) = self.accepts {
            headers.insert(header::ACCEPT, HeaderValue::from_static(media.name()));
        }
        if let Some(allowed) = self.allows {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed.name()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // What a call of gRPC is refused with is made of it.
        #[cfg(feature = "grpc")]
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// Seconds rounded up, at least 1.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let request = context::current();
        self.answer(request.as_ref().map(|request| request.id.as_str()))
    }
}

/// A problem as JSON.
struct Written<'a> {
    problem: &'a Problem,
    request_id: Option<&'a str>,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Problem { status, kind, title, detail, errors, .. } = self.problem;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("status", &status.as_u16())?;
        if let Some(detail) = detail {
            map.serialize_entry("detail", &redact::text(detail))?;
        }
        if !errors.is_empty() {
            map.serialize_entry("errors", errors)?;
        }
        if let Some(id) = self.request_id {
            map.serialize_entry("request_id", id)?;
        }
        map.end()
    }
}

impl Serialize for FieldError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("field", &self.field)?;
        map.serialize_entry("message", &*told_of(&self.field, &self.message))?;
        map.end()
    }
}

impl From<&Rejected> for Problem {
    fn from(refusal: &Rejected) -> Self {
        let (status, kind, detail) = match refusal {
            Rejected::Timeout { .. } => {
                (504, "timeout", "A service that this answer depends on took too long.")
            }
            Rejected::DeadlineExceeded { .. } => {
                (504, "deadline-exceeded", "The answer was not ready before the request's deadline.")
            }
            Rejected::CircuitOpen { retry_after: Duration::MAX, .. } => {
                (503, "circuit-open", "A service that this answer depends on was taken out of use.")
            }
            Rejected::CircuitOpen { .. } => {
                (503, "circuit-open", "A service that this answer depends on is not available now.")
            }
            Rejected::RateLimited { .. } => {
                (429, "rate-limited", "The rate limit of this operation is used up.")
            }
            Rejected::BulkheadFull { .. } => {
                (503, "overloaded", "The service is working on as much as it can at once.")
            }
            Rejected::IdempotencyConflict { .. } => {
                (409, "idempotency-conflict", "A request with this idempotency key is being worked on.")
            }
            Rejected::IdempotencyMismatch => {
                (422, "idempotency-mismatch", "This idempotency key was used with another request.")
            }
            // It says nothing of what another client has sent.
            Rejected::IdempotencyForeign => (422, "idempotency-mismatch", ""),
            Rejected::IdempotencyKeyMissing => (
                400,
                "idempotency-key-missing",
                "This operation needs one `Idempotency-Key`, a text in quotes such as `\"8e03978e-40d5-43e8\"`.",
            ),
            Rejected::Unauthenticated => (401, "unauthenticated", "This operation needs a known caller."),
            Rejected::Forbidden { .. } => (403, "forbidden", "The caller may not do this."),
            Rejected::ShuttingDown => (503, "shutting-down", "The service is shutting down."),
            _ => (503, "unavailable", "The service cannot answer now."),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut problem = Self::new(status).kind(format!("urn:hardening:problem:{kind}"));
        if !detail.is_empty() {
            problem = problem.detail(detail);
        }
        problem.retry_after = refusal.retry_after();
        problem.spread = matches!(refusal, Rejected::CircuitOpen { .. } | Rejected::RateLimited { .. });
        problem
    }
}

/// A handler that returns `Result<_, Problem>` may carry every policy.
impl From<Rejected> for Problem {
    fn from(refusal: Rejected) -> Self {
        Self::from(&refusal)
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        Problem::from(&self).into_response()
    }
}

/// What is wrong with a field, without the value of one whose name is a secret's: serde's messages hold the value between
/// what it is and what was expected.
fn told_of<'m>(field: &str, message: &'m str) -> Cow<'m, str> {
    let name = field.rsplit('.').next().unwrap_or(field);
    let name = name.split('[').next().unwrap_or(name);
    if redact::is_secret(name)
        && let Some((what, rest)) = message.split_once(": ")
        && let Some((_, expected)) = rest.rsplit_once(", expected ")
    {
        return Cow::Owned(format!("{what}: {}, expected {}", redact::REDACTED, redact::text(expected)));
    }
    redact::text(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: Response) -> (StatusCode, http::HeaderMap, String) {
        let (parts, body) = response.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(body, usize::MAX)).unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn the_value_of_a_field_with_the_name_of_a_secret_is_not_told() {
        let serde = "invalid type: string \"rosebud, expected\", expected u32";
        assert_eq!(told_of("login.password", serde), "invalid type: [redacted], expected u32");
        assert_eq!(
            told_of("tokens[3]", "invalid value: integer `7`, expected a text"),
            "invalid value: integer `7`, expected a text"
        );
        assert_eq!(
            told_of("token[3]", "invalid value: integer `7`, expected a text"),
            "invalid value: [redacted], expected a text"
        );
        assert_eq!(told_of("password", "length is lower than 8"), "length is lower than 8");
        assert_eq!(told_of("quantity", serde), serde);
    }

    #[test]
    fn members_stand_in_order_and_only_where_they_say_something() {
        let problem = Problem::validation().detail("One field is wrong.").field("quantity", "too large");
        assert_eq!(
            String::from_utf8(problem.body(Some("r-1"))).unwrap(),
            r#"{"type":"urn:hardening:problem:validation","title":"Validation failed","status":422,"detail":"One field is wrong.","errors":[{"field":"quantity","message":"too large"}],"request_id":"r-1"}"#
        );
        assert_eq!(
            String::from_utf8(Problem::new(StatusCode::NOT_FOUND).body(None)).unwrap(),
            r#"{"type":"about:blank","title":"Not Found","status":404}"#
        );
    }

    #[test]
    fn every_refusal_has_its_status_and_tells_no_name() {
        let call = "orders::secret_call";
        let second = Duration::from_secs(1);
        for (refusal, status, retry_after) in [
            (Rejected::Timeout { call, after: second }, 504, None),
            (Rejected::DeadlineExceeded { call }, 504, None),
            (
                Rejected::CircuitOpen { circuit: call, retry_after: Duration::from_millis(1200) },
                503,
                Some("2"),
            ),
            (
                Rejected::RateLimited { limiter: call, retry_after: second, limit: 10, remaining: 0 },
                429,
                Some("1"),
            ),
            (
                Rejected::RateLimited { limiter: call, retry_after: Duration::MAX, limit: 10, remaining: 9 },
                429,
                None,
            ),
            (Rejected::BulkheadFull { call, limit: 10 }, 503, None),
            (Rejected::StoreUnavailable { store: call }, 503, None),
            (Rejected::IdempotencyConflict { retry_after: Duration::ZERO }, 409, Some("1")),
            (Rejected::IdempotencyMismatch, 422, None),
            (Rejected::IdempotencyForeign, 422, None),
            (Rejected::IdempotencyKeyMissing, 400, None),
            (Rejected::LoadFailed { call, cause: Some(call.into()) }, 503, None),
            (Rejected::Unauthenticated, 401, None),
            (Rejected::Forbidden { scope: call }, 403, None),
            (Rejected::ShuttingDown, 503, None),
        ] {
            let name = refusal.kind();
            let (got, headers, body) = read(refusal.into_response());
            assert_eq!(got.as_u16(), status, "{name}");
            assert_eq!(headers[header::CONTENT_TYPE], PROBLEM_JSON);
            assert_eq!(
                headers.get(header::RETRY_AFTER).map(|value| value.to_str().unwrap()),
                retry_after,
                "{name}"
            );
            assert!(!body.contains("secret_call"), "{name}: {body}");
        }
    }
}

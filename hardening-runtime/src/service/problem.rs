//! Errors over HTTP: `application/problem+json` (RFC 9457), with the request's id and nothing of the internals.

mod quota;

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::ser::{Serialize, SerializeMap, Serializer};

use self::quota::Quota;
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
    retry_after: Option<Duration>,
    /// Whether many clients may be refused at once, which are then told different times.
    spread: bool,
    accepts: Option<Media>,
    allows: Option<Methods>,
    /// Whether its caller is known and lacks a scope.
    bearer: Bearer,
    /// What few problems tell, apart so that all others are smaller.
    rare: Option<Box<Rare>>,
}

/// Marks an answer whose `WWW-Authenticate` is ours, and not one of a handler or a layer that looks after credentials itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Challenge;

/// What few problems tell.
#[derive(Clone, Debug, Default)]
struct Rare {
    errors: Vec<FieldError>,
    /// The policy whose quota is used up.
    violated: Option<&'static str>,
    /// The limit of an operation that is used up.
    quota: Option<Quota>,
}

/// What a caller is told who is known and lacks a scope (RFC 6750, section 3.1). Which one it lacks is not told.
pub(super) const INSUFFICIENT_SCOPE: &str = "Bearer error=\"insufficient_scope\"";
/// What a caller is told whose token is expired, revoked, malformed or not ours. Which of them is not told.
#[cfg(feature = "auth")]
pub(super) const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";

/// What is wrong with the caller's bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bearer {
    /// Nothing, or there is none.
    Unnamed,
    #[cfg(feature = "jwt")]
    Invalid,
    LacksScope,
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
    #[cfg(feature = "grpc")]
    Grpc,
}

impl Media {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            #[cfg(feature = "grpc")]
            Self::Grpc => "application/grpc",
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
            retry_after: None,
            spread: false,
            accepts: None,
            allows: None,
            bearer: Bearer::Unnamed,
            rare: None,
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
        self.rare().errors.push(FieldError { field: field.into(), message: message.into() });
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

    /// Names the policy whose quota is used up.
    #[must_use]
    pub(super) fn violates(mut self, policy: Option<&'static str>) -> Self {
        self.rare().violated = policy;
        self
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// 405, with the methods that there are in `Allow`.
    pub(super) fn other_method(allowed: Methods) -> Self {
        Self { allows: Some(allowed), ..Self::new(StatusCode::METHOD_NOT_ALLOWED) }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// It was a bearer token that was wrong.
    #[cfg(feature = "jwt")]
    #[must_use]
    pub(super) fn invalid_token(mut self) -> Self {
        self.bearer = Bearer::Invalid;
        self
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
        let after =
            self.retry_after.map(|after| if self.spread { retry_after::by_seconds(after) } else { after });
        let after = after.map(whole_seconds);
        if let Some(after) = after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if let Some(quota) = self.rare.as_ref().and_then(|rare| rare.quota) {
            quota.tell(after, headers);
        }
        if let Some(media) = self.accepts {
            headers.insert(header::ACCEPT, HeaderValue::from_static(media.name()));
        }
        if let Some(allowed) = self.allows {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed.name()));
        }
        let challenge = match self.bearer {
            Bearer::LacksScope => Some(INSUFFICIENT_SCOPE),
            #[cfg(feature = "jwt")]
            Bearer::Invalid => Some(INVALID_TOKEN),
            Bearer::Unnamed => (self.status == StatusCode::UNAUTHORIZED).then_some("Bearer"),
        };
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            response.extensions_mut().insert(Challenge);
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
        let Problem { status, kind, title, detail, rare, .. } = self.problem;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("status", &status.as_u16())?;
        if let Some(detail) = detail {
            map.serialize_entry("detail", &redact::text(detail))?;
        }
        if let Some(Rare { errors, violated, .. }) = rare.as_deref() {
            if !errors.is_empty() {
                map.serialize_entry("errors", errors)?;
            }
            if let Some(policy) = violated {
                map.serialize_entry("violated-policies", &[policy])?;
            }
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
        map.serialize_entry("field", &*redact::text(&self.field))?;
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
        if let Rejected::Forbidden { .. } = refusal {
            problem.bearer = Bearer::LacksScope;
        }
        if let Rejected::RateLimited { limit, remaining, .. } = *refusal {
            problem.rare().quota = Some(Quota { limit, remaining });
            problem = problem.violates(Some(quota::OPERATION));
        }
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
mod tests;

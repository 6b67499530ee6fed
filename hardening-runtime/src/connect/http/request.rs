//! One request and its answer.

use std::fmt;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use super::interim::Interim;
use super::{Client, Error, Kind, Sent};
use crate::context;
use crate::layer::tell;
use crate::telemetry::conventions::{known_method, version_name};

/// A request that is being written.
#[must_use = "it is sent by `send`"]
pub struct RequestBuilder {
    client: Client,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
    /// What was wrong first.
    wrong: Option<String>,
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestBuilder").field(&shown(&self.method, &self.uri)).finish()
    }
}

/// A request as messages name it: no query, which may hold secrets.
fn shown(method: &Method, uri: &Uri) -> String {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{method} {scheme}://{authority}{}", uri.path()),
        _ => method.to_string(),
    }
}

impl RequestBuilder {
    pub(super) fn new(client: Client, method: Method, uri: Result<Uri, String>) -> Self {
        let timeout = client.limits.timeout;
        let (uri, wrong) = match uri {
            Ok(uri) => (uri, None),
            Err(why) => (Uri::default(), Some(why)),
        };
        Self { client, method, uri, headers: HeaderMap::new(), body: Bytes::new(), timeout, wrong }
    }

    fn wrong(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }

    /// Adds a header field. One that cannot stand in a request is told by `send`.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        match (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_ref())) {
            (Ok(name), Ok(value)) => drop(self.headers.append(name, value)),
            // The value may be a secret.
            _ => self.wrong(format!("the header field {name:?} cannot be sent")),
        }
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// `value` as JSON, with its content type.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => {
                self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                self.body = body.into();
            }
            Err(error) => self.wrong(format!("the body is no JSON: {error}")),
        }
        self
    }

    /// The longest that this request may take, in place of the client's timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it and waits for the whole answer, whatever its status. It is cut by its timeout or by the deadline around
    /// it, whichever comes first, and carries what [`context::outgoing`] tells, except in fields that it has already.
    ///
    /// # Errors
    /// Without a whole answer; [`Error::sent`] says whether the other side may have acted on the request.
    pub async fn send(self) -> Result<Response, Error> {
        let Self { client, method, uri, headers, body, timeout, wrong } = self;
        let named = shown(&method, &uri);
        let fail = |kind, sent, source| Error::new(kind, sent, &named, source);
        if let Some(why) = wrong {
            return Err(fail(Kind::Invalid, Sent::No, Some(why.into())));
        }
        let mut request = Request::new(Full::new(body));
        let span = if client.limits.seen { span(&method, &uri) } else { Span::none() };
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        if client.limits.seen {
            // The other side's span is a child of this request's.
            let spanned = !span.is_disabled();
            span.in_scope(|| tell(request.headers_mut(), spanned));
        }

        let own = Instant::now().checked_add(timeout);
        let (cut_at, late) = match (own, context::deadline()) {
            (Some(own), Some(deadline)) if deadline < own => (Some(deadline), Kind::DeadlineExceeded),
            (None, Some(deadline)) => (Some(deadline), Kind::DeadlineExceeded),
            (own, _) => (own, Kind::Timeout),
        };
        if late == Kind::DeadlineExceeded && cut_at.is_some_and(|at| at <= Instant::now()) {
            return Err(fail(late, Sent::No, None));
        }
        let interim = Interim::of(&mut request);
        let captured = capture_connection(&mut request);
        let had_connection = || captured.connection_metadata().is_some();
        let mut answered = false;
        let answer = async {
            let answer = tokio::select! {
                biased;
                answer = client.pool.request(request) => answer.map_err(|error| {
                    if error.is_connect() {
                        return fail(Kind::Connect, Sent::No, Some(error.into()));
                    }
                    let sent = if had_connection() { Sent::Maybe } else { Sent::No };
                    fail(Kind::Broken, sent, Some(error.into()))
                })?,
                too_many = interim.are_too_many() => {
                    return Err(fail(Kind::Broken, Sent::Maybe, Some(too_many.into())));
                }
            };
            answered = true;
            let (parts, body) = answer.into_parts();
            let body = whole(Limited::new(body, client.limits.body)).await.map_err(|error| {
                let too_large = error.downcast_ref::<LengthLimitError>().is_some();
                fail(if too_large { Kind::TooLarge } else { Kind::Broken }, Sent::Yes, Some(error))
            })?;
            let request = named.clone();
            Ok(Response {
                status: parts.status,
                version: parts.version,
                headers: parts.headers,
                body,
                request,
            })
        };
        let answer = async {
            match cut_at {
                Some(cut_at) => tokio::time::timeout_at(cut_at, answer).await,
                None => Ok(answer.await),
            }
        };
        let result = answer.instrument(span.clone()).await.unwrap_or_else(|_| {
            let sent = match (answered, had_connection()) {
                (true, _) => Sent::Yes,
                (false, true) => Sent::Maybe,
                (false, false) => Sent::No,
            };
            Err(fail(late, sent, None))
        });
        // It was told of the time.
        if client.limits.seen && matches!(&result, Ok(answer) if answer.status == StatusCode::GATEWAY_TIMEOUT)
        {
            context::is_told_of_the_end();
        }
        tell_span(&span, &result);
        result
    }
}

/// The span of a request, by the semantic conventions of OpenTelemetry for HTTP clients; its address is without the query.
fn span(method: &Method, uri: &Uri) -> Span {
    let named = known_method(method);
    let span = tracing::info_span!(
        "http_client",
        otel.name = named.unwrap_or("HTTP"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = named.unwrap_or("_OTHER"),
        http.request.method_original = Empty,
        http.response.status_code = Empty,
        server.address = uri.host(),
        server.port = Empty,
        url.full = Empty,
        network.protocol.version = Empty,
        error.type = Empty,
    );
    if !span.is_disabled() {
        if named.is_none() {
            span.record("http.request.method_original", method.as_str());
        }
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        span.record("server.port", u64::from(uri.port_u16().unwrap_or(usual)));
        if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
            span.record("url.full", display(format_args!("{scheme}://{authority}{}", uri.path())));
        }
    }
    span
}

/// So many pieces may a body have, and one more for so many of its bytes: each costs more time than the bytes that it holds, and
/// without a bound a server that sends bytes one by one would have a core until the request's time is over.
const PIECES: usize = 100_000;
const BYTES_A_PIECE: usize = 64;

/// A body in one piece of memory: each of the pieces in which it comes may keep many times its size.
async fn whole(mut body: Limited<Incoming>) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let (mut whole, mut pieces) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            whole.extend_from_slice(data);
        }
        pieces += 1;
        if pieces > PIECES + whole.len() / BYTES_A_PIECE {
            return Err("the body came in too many small pieces".into());
        }
    }
    Ok(whole.freeze())
}

fn tell_span(span: &Span, result: &Result<Response, Error>) {
    if span.is_disabled() {
        return;
    }
    match result {
        Ok(answer) => {
            let status = answer.status.as_u16();
            span.record("http.response.status_code", u64::from(status));
            span.record("network.protocol.version", version_name(answer.version));
            if status >= 400 {
                span.record("error.type", status.to_string().as_str()).record("otel.status_code", "ERROR");
            }
        }
        Err(error) => {
            span.record("error.type", error.kind().name()).record("otel.status_code", "ERROR");
        }
    }
}

/// A whole answer.
#[derive(Clone)]
pub struct Response {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
    request: String,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, body, request, .. } = self;
        let bytes = body.len();
        f.debug_struct("Response")
            .field("request", request)
            .field("status", status)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// How long the other side asks to wait before the next request: its `Retry-After`, in seconds or as a date.
    pub fn retry_after(&self) -> Option<Duration> {
        super::again::retry_after(&self.headers, crate::clock::since_1970())
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::new(Kind::Json, Sent::Yes, &self.request, Some(error.into())))
    }

    /// Itself, unless its status is an error (400 and above).
    ///
    /// # Errors
    /// With [`Kind::Status`].
    pub fn error_for_status(self) -> Result<Self, Error> {
        if self.status.is_client_error() || self.status.is_server_error() {
            let error = Error::new(Kind::Status(self.status), Sent::Yes, &self.request, None);
            return Err(error.asks_for(self.retry_after()));
        }
        Ok(self)
    }
}

//! gRPC: which statuses count against a service, and refusals as statuses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{BoxError, rejected};
use crate::{Rejected, retry_after};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Whether an answer of a gRPC service counts against it, for `failure_if`: an error, an HTTP status that is none of gRPC's, or
/// the status `UNKNOWN`, `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `INTERNAL`, `UNAVAILABLE` or `DATA_LOSS`. The other ones,
/// such as `NOT_FOUND`, are answers; what is none of gRPC's is `UNKNOWN`.
///
/// It is judged by its head. A failure without a message has its status there; a stream that breaks off later is not seen.
pub fn grpc_failed<B>(answer: &Result<Response<B>, BoxError>) -> bool {
    let Ok(response) = answer else { return true };
    match status(response.headers()) {
        Some(code) => matches!(code, 2 | 4 | 8 | 13 | 14 | 15),
        None => !response.status().is_success(),
    }
}

/// The status that an answer's head holds; what is none of gRPC's is UNKNOWN.
fn status(headers: &HeaderMap) -> Option<u8> {
    let code = headers.get(STATUS)?.to_str().ok().and_then(|code| code.parse().ok());
    Some(code.filter(|code| *code <= 16).unwrap_or(2))
}

/// The gRPC status that says what a refusal does.
pub const fn grpc_code(refusal: &Rejected) -> u8 {
    match refusal {
        Rejected::IdempotencyMismatch | Rejected::IdempotencyForeign | Rejected::IdempotencyKeyMissing => 3,
        Rejected::Timeout { .. } | Rejected::DeadlineExceeded { .. } => 4,
        Rejected::Forbidden { .. } => 7,
        Rejected::RateLimited { .. } => 8,
        Rejected::IdempotencyConflict { .. } => 10,
        Rejected::Unauthenticated => 16,
        // Nothing was asked of the other side, or nothing came of it: UNAVAILABLE.
        _ => 14,
    }
}

/// A layer for gRPC clients, outside of the policies: a refusal becomes an answer with the status that [`grpc_code`] gives, which
/// is what the client's methods return errors of. Other errors stay as they are.
///
/// Where it is known when a repetition can succeed, `grpc-retry-pushback-ms` says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcStatus(());

impl GrpcStatus {
    /// The layer.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for GrpcStatus {
    type Service = WithStatus<S>;

    fn layer(&self, inner: S) -> WithStatus<S> {
        WithStatus { inner }
    }
}

/// A gRPC client whose refusals are statuses; made by [`GrpcStatus`].
#[derive(Clone, Debug)]
pub struct WithStatus<S> {
    inner: S,
}

impl<S, Q, B> Service<Q> for WithStatus<S>
where
    S: Service<Q, Response = Response<B>, Error = BoxError>,
    B: Default,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        Answering { answer: self.inner.call(request) }
    }
}

pin_project! {
    /// The answer of a [`WithStatus`].
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        answer: F,
    }
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, BoxError>>,
    B: Default,
{
    type Output = Result<Response<B>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.project().answer.poll(cx));
        Poll::Ready(answer.or_else(|error| match rejected(&error) {
            Some(refusal) => Ok(refused(refusal)),
            None => Err(error),
        }))
    }
}

/// An answer of nothing but its head, as gRPC knows it.
fn refused<B: Default>(refusal: &Rejected) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(u16::from(grpc_code(refusal))));
    if let Ok(message) = HeaderValue::try_from(escaped(&refusal.to_string())) {
        headers.insert(MESSAGE, message);
    }
    if let Some(delay) = refusal.retry_after() {
        let conflict = matches!(refusal, Rejected::IdempotencyConflict { .. });
        let delay = if conflict { delay } else { retry_after::by_millis(delay) };
        let millis = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert(PUSHBACK, HeaderValue::from(millis));
    }
    response
}

/// As gRPC writes messages: what is not printable ASCII, and `%`, as `%XX`.
fn escaped(message: &str) -> String {
    let mut escaped = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => {
                escaped.push('%');
                for digit in [byte >> 4, byte & 0xf] {
                    escaped.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
            byte => escaped.push(char::from(byte)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_says_that_the_service_is_ill_counts_and_what_says_that_the_request_is_does_not() {
        let answer = |http: u16, grpc: Option<&str>| {
            let mut response = Response::builder().status(http);
            if let Some(code) = grpc {
                response = response.header(STATUS, code);
            }
            Ok(response.body(()).unwrap())
        };
        for code in 0..=16_u8 {
            let failed = grpc_failed(&answer(200, Some(&code.to_string())));
            assert_eq!(failed, [2, 4, 8, 13, 14, 15].contains(&code), "{code}");
        }
        for code in ["17", "255", "999", "-1", "abc", "", "2.0"] {
            assert!(grpc_failed(&answer(200, Some(code))), "{code:?} is none of gRPC's");
        }
        assert!(!grpc_failed(&answer(200, None)), "an answer whose status comes at its end");
        assert!(grpc_failed(&answer(503, None)), "a balancer's own answer");
        assert!(grpc_failed::<()>(&Err("broken".into())));
    }

    #[test]
    fn a_refusal_is_an_answer_of_a_head() {
        let refusal =
            Rejected::CircuitOpen { circuit: "größe", retry_after: Duration::from_micros(1_500_001) };
        let response: Response<String> = refused(&refusal);
        let told = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_str()), (200, ""));
        assert_eq!(told("grpc-status"), "14");
        assert!(told("grpc-message").contains("gr%C3%B6%C3%9Fe"), "{}", told("grpc-message"));
        let told_ms: u32 = told("grpc-retry-pushback-ms").parse().unwrap();
        assert!((1501..=1750).contains(&told_ms), "{told_ms}");
        assert_eq!(told("content-type"), "application/grpc");
        assert_eq!(escaped("100%\n"), "100%25%0A");
    }
}

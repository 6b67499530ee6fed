//! Refusals as gRPC statuses, with the time to wait where it is known.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::layer::grpc_code;
use crate::service::problem::Problem;
use crate::telemetry::redact;
use crate::{Rejected, retry_after};

/// A handler that returns `Result<_, Status>` may carry every policy. The code is [`grpc_code`]'s, the message names nothing
/// of the internals, and where it is known when a repetition can succeed, a `google.rpc.RetryInfo` in the details and
/// `grpc-retry-pushback-ms` in the metadata say so.
impl From<Rejected> for Status {
    fn from(refusal: Rejected) -> Self {
        let problem = Problem::from(&refusal);
        let (_, message, after) = problem.told();
        status(Code::from(i32::from(grpc_code(&refusal))), message, after)
    }
}

const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A status as it is told. `read` where the call's body gave something at once before: what could not be read then is the
/// client's fault, be it a message of another type, a frame that is none, or no message at all. gRPC's libraries answer that with
/// INTERNAL, which everybody could make count as an error of the service.
pub(super) fn told(headers: &mut HeaderMap, read: bool) {
    /// What is said of requests alone.
    const MISSING: &str = "Missing request message";
    /// What a client may say of an answer as well, whose error a handler passed on.
    const UNREADABLE: [&str; 4] = [
        "failed to decode Protobuf message",
        "protocol error: received message with ",
        "Error decompressing: ",
        "Unexpected EOF decoding stream",
    ];
    redact(headers);
    let Some(said) = Status::from_header_map(headers).filter(|said| said.code() == Code::Internal) else {
        return;
    };
    let begins = |with: &&str| said.message().starts_with(*with);
    if begins(&MISSING) || read && UNREADABLE.iter().any(begins) {
        // A number, and a text that was in a header before.
        let _ = Status::invalid_argument(said.message()).add_header(headers);
    }
}

/// A handler's message without what must not be told. Details may say the same again, so they go with what was replaced.
fn redact(headers: &mut HeaderMap) {
    if !headers.contains_key(MESSAGE) {
        return;
    }
    let Some(said) = Status::from_header_map(headers) else { return };
    let told = redact::text(said.message());
    if told == said.message() {
        return;
    }
    let mut written = HeaderMap::new();
    // What no header may hold is escaped.
    let _ = Status::new(said.code(), told).add_header(&mut written);
    headers.remove("grpc-status-details-bin");
    match written.remove(MESSAGE) {
        Some(message) => headers.insert(MESSAGE, message),
        None => headers.remove(MESSAGE),
    };
}

/// What says in gRPC what a problem does in HTTP.
pub(super) fn of_problem(problem: &Problem) -> Status {
    let (http, message, after) = problem.told();
    status(code(http), &redact::text(message), after)
}

fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        400 | 414 | 415 | 422 => Code::InvalidArgument,
        // The second one of a connection whose certificate no longer counts.
        401 | 421 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 | 405 | 501 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::Aborted,
        413 | 429 | 431 => Code::ResourceExhausted,
        502 | 503 => Code::Unavailable,
        500.. => Code::Internal,
        _ => Code::Unknown,
    }
}

fn status(code: Code, message: &str, after: Option<Duration>) -> Status {
    let Some(after) = after else { return Status::new(code, message) };
    // What many clients are refused with at once.
    let spread = matches!(code, Code::ResourceExhausted | Code::Unavailable);
    let after = if spread { retry_after::by_millis(after) } else { after };
    let mut metadata = MetadataMap::new();
    let millis = u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    metadata.insert("grpc-retry-pushback-ms", MetadataValue::from(millis));
    Status::with_details_and_metadata(code, message, details(code, message, after).into(), metadata)
}

/// A `google.rpc.Status` that holds a `google.rpc.RetryInfo`, which holds a `google.protobuf.Duration`.
fn details(code: Code, message: &str, after: Duration) -> Vec<u8> {
    const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
    let mut delay = Vec::new();
    number(&mut delay, 1, after.as_secs().min(i64::MAX.unsigned_abs()));
    number(&mut delay, 2, u64::from(after.subsec_nanos()));
    let mut info = Vec::new();
    text(&mut info, 1, &delay);
    let mut any = Vec::new();
    text(&mut any, 1, RETRY_INFO.as_bytes());
    text(&mut any, 2, &info);
    let mut status = Vec::new();
    number(&mut status, 1, u64::from(code as u8));
    text(&mut status, 2, message.as_bytes());
    text(&mut status, 3, &any);
    status
}

/// A field of protobuf that is a number; zero is not written.
fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    if value > 0 {
        out.push(field << 3);
        varint(out, value);
    }
}

/// A field of protobuf that is a text, bytes or a message.
fn text(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_code_and_tells_no_name() {
        let call = "orders::secret_call";
        let second = Duration::from_secs(1);
        for (refusal, code) in [
            (Rejected::Timeout { call, after: second }, Code::DeadlineExceeded),
            (Rejected::DeadlineExceeded { call }, Code::DeadlineExceeded),
            (Rejected::CircuitOpen { circuit: call, retry_after: second }, Code::Unavailable),
            (
                Rejected::RateLimited { limiter: call, retry_after: second, limit: 10, remaining: 0 },
                Code::ResourceExhausted,
            ),
            (Rejected::BulkheadFull { call, limit: 10 }, Code::Unavailable),
            (Rejected::StoreUnavailable { store: call }, Code::Unavailable),
            (Rejected::IdempotencyConflict { retry_after: second }, Code::Aborted),
            (Rejected::IdempotencyMismatch, Code::InvalidArgument),
            (Rejected::IdempotencyForeign, Code::InvalidArgument),
            (Rejected::IdempotencyKeyMissing, Code::InvalidArgument),
            (Rejected::LoadFailed { call, cause: Some(call.into()) }, Code::Unavailable),
            (Rejected::Unauthenticated, Code::Unauthenticated),
            (Rejected::Forbidden { scope: call }, Code::PermissionDenied),
            (Rejected::ShuttingDown, Code::Unavailable),
        ] {
            let name = refusal.kind();
            let by_problem = of_problem(&Problem::from(&refusal));
            assert_eq!(by_problem.code(), code, "{name}: over HTTP and gRPC it says the same");
            let waits = refusal.retry_after().is_some();
            let status = Status::from(refusal);
            assert_eq!(status.code(), code, "{name}");
            assert!(!status.message().contains("secret_call") && !status.message().is_empty(), "{name}");
            assert_eq!(!status.details().is_empty(), waits, "{name}");
            assert_eq!(status.metadata().contains_key("grpc-retry-pushback-ms"), waits, "{name}");
        }
    }

    #[test]
    fn a_message_loses_its_secrets_and_the_details_that_repeat_them() {
        let of = |message: &str| {
            let status = Status::with_details(Code::Internal, message, message.to_owned().into());
            let mut headers = HeaderMap::new();
            status.add_header(&mut headers).unwrap();
            redact(&mut headers);
            Status::from_header_map(&headers).unwrap()
        };
        let told = of("100 % of postgres://app:hunter2@db – refused");
        assert_eq!(
            (told.code(), told.message()),
            (Code::Internal, "100 % of postgres://[redacted]@db – refused")
        );
        assert!(told.details().is_empty());
        let told = of("no such price: 7 %");
        assert_eq!((told.message(), told.details().is_empty()), ("no such price: 7 %", false));
    }

    /// As `protoc --decode_raw` shows it: `1: 8 2: "m" 3 { 1: "type.…" 2 { 1 { 1: 300 2: 1 } } }`.
    #[test]
    fn the_time_to_wait_stands_in_the_details() {
        let mut expected = b"\x08\x08\x12\x01m\x1a\x33\x0a\x28".to_vec();
        expected.extend(b"type.googleapis.com/google.rpc.RetryInfo");
        expected.extend(b"\x12\x07\x0a\x05\x08\xac\x02\x10\x01");
        assert_eq!(details(Code::ResourceExhausted, "m", Duration::new(300, 1)), expected);
    }
}

//! What the semantic conventions of OpenTelemetry say of values, as they are in force with version 1.45 of them.

use http::{Method, Version};

/// Where they are described, for receivers that translate older ones.
#[cfg(feature = "otlp")]
pub(crate) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.45.0";

/// The method if it is one that everybody knows: what a client may write without bound is part of no name.
pub(crate) fn known_method(method: &Method) -> Option<&'static str> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"];
    known.into_iter().find(|known| *known == method.as_str())
}

/// `network.protocol.version` of HTTP.
pub(crate) fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_3 => "3",
        _ => "2",
    }
}

/// Whether a server's call of gRPC that ends so is an error of its span: UNKNOWN, `DEADLINE_EXCEEDED`, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE and `DATA_LOSS`.
#[cfg(feature = "otlp")]
pub(crate) const fn is_error_of_rpc(code: u8) -> bool {
    matches!(code, 2 | 4 | 12 | 13 | 14 | 15)
}

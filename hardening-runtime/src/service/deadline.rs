//! The deadline that a client asks for: lowered, never raised.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::said::Said;

const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A timeout header that cannot be read; holds its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(&'static str);

impl Unreadable {
    /// What its client is told.
    pub(crate) fn detail(self) -> String {
        let form = if self.0 == GRPC_TIMEOUT.as_str() {
            "at most eight digits and one of `H`, `M`, `S`, `m`, `u` and `n`"
        } else {
            "a whole number of milliseconds, as digits alone"
        };
        format!("`{}` is not a timeout: {form}.", self.0)
    }
}

/// How long this request may take: what the client asks for, at most `longest`. Zero has expired.
pub(crate) fn of(headers: &HeaderMap, said: Said, longest: Duration) -> Result<Duration, Unreadable> {
    let mut allowed = longest;
    if !said.has(Said::TIMEOUT) {
        return Ok(allowed);
    }
    if let Some(value) = headers.get(TIMEOUT_MS) {
        let text = value.to_str().map_err(|_| Unreadable("x-request-timeout-ms"))?;
        allowed = allowed.min(millis(text).ok_or(Unreadable("x-request-timeout-ms"))?);
    }
    if let Some(value) = headers.get(GRPC_TIMEOUT) {
        let text = value.to_str().map_err(|_| Unreadable("grpc-timeout"))?;
        allowed = allowed.min(grpc(text).ok_or(Unreadable("grpc-timeout"))?);
    }
    Ok(allowed)
}

/// A whole number of milliseconds, as digits alone.
fn millis(text: &str) -> Option<Duration> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than fit mean longer than any deadline of ours.
    Some(Duration::from_millis(digits.parse().unwrap_or(u64::MAX)))
}

/// At most 8 digits and one of `H M S m u n`.
fn grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: HeaderName, value: &str) -> Result<Duration, Unreadable> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        of(&headers, Said::of(&headers), Duration::from_secs(15))
    }

    #[test]
    fn clients_lower_the_deadline_and_never_raise_it() {
        for (value, expected) in [
            ("200", Ok(Duration::from_millis(200))),
            ("0", Ok(Duration::ZERO)),
            (" 15 ", Ok(Duration::from_millis(15))),
            ("-5", Err(Unreadable("x-request-timeout-ms"))),
            ("+5", Err(Unreadable("x-request-timeout-ms"))),
            ("1e9", Err(Unreadable("x-request-timeout-ms"))),
            ("60000", Ok(Duration::from_secs(15))),
            ("99999999999999999999999999", Ok(Duration::from_secs(15))),
            ("1.5", Err(Unreadable("x-request-timeout-ms"))),
            ("soon", Err(Unreadable("x-request-timeout-ms"))),
            ("", Err(Unreadable("x-request-timeout-ms"))),
            ("-", Err(Unreadable("x-request-timeout-ms"))),
        ] {
            assert_eq!(asked(TIMEOUT_MS, value), expected, "{value}");
        }
        for (value, expected) in [
            ("1500m", Ok(Duration::from_millis(1500))),
            ("2S", Ok(Duration::from_secs(2))),
            ("1H", Ok(Duration::from_secs(15))),
            ("0n", Ok(Duration::ZERO)),
            ("123456789m", Err(Unreadable("grpc-timeout"))),
            ("5", Err(Unreadable("grpc-timeout"))),
            ("5x", Err(Unreadable("grpc-timeout"))),
            ("S", Err(Unreadable("grpc-timeout"))),
        ] {
            assert_eq!(asked(GRPC_TIMEOUT, value), expected, "{value}");
        }
        assert_eq!(
            of(&HeaderMap::new(), Said::default(), Duration::from_secs(15)),
            Ok(Duration::from_secs(15))
        );
    }
}

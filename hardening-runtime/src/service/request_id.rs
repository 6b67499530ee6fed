//! Request ids: accepted when well-formed, else made.

use std::ops::Range;

use http::{HeaderMap, HeaderName};

use super::said::Said;
use crate::clock::{self, Nanos};
use crate::context::trace::hex;

/// The header that carries it.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's id when it is 1 to 128 letters, digits, `-`, `_`, `.` or `:`; else a new one.
pub(crate) fn of(headers: &HeaderMap, said: Said, now: Nanos) -> String {
    let given = said.has(Said::ID).then(|| headers.get(REQUEST_ID)).flatten();
    match given.map(http::HeaderValue::as_bytes) {
        Some(given) if well_formed(given) => String::from_utf8_lossy(given).into_owned(),
        _ => make_at(now),
    }
}

fn well_formed(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (1..=128).contains(&id.len()) && id.iter().all(allowed)
}

/// A UUID version 7 (RFC 9562): milliseconds since 1970, then random bits, so that ids sort by time.
pub(crate) fn make() -> String {
    make_at(clock::now())
}

fn make_at(now: Nanos) -> String {
    let millis = clock::wall_clock_at(now).as_millis() as u64;
    uuid_v7(millis, fastrand::u16(..), fastrand::u64(..))
}

/// Where the dashes leave room for its digits.
const PARTS: [(usize, Range<usize>); 5] = [(0, 0..8), (9, 8..12), (14, 12..16), (19, 16..20), (24, 20..32)];

/// Written digit by digit: every request has one, and formatting it took as long as routing the request.
fn uuid_v7(millis: u64, a: u16, b: u64) -> String {
    let first = millis << 16 | u64::from(a & 0x0fff | 0x7000);
    let second = b & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
    let digits = hex(u128::from(first) << 64 | u128::from(second));
    let mut text = [b'-'; 36];
    for (place, part) in PARTS {
        text[place..place + part.len()].copy_from_slice(&digits[part]);
    }
    str::from_utf8(&text).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_carry_version_variant_and_time() {
        // The example of RFC 9562, appendix A.6.
        assert_eq!(
            uuid_v7(0x017F_22E2_79B0, 0x0CC3, 0x18C4_DC0C_0C07_398F),
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
        );
    }

    #[test]
    fn ids_of_clients_are_kept_only_when_well_formed() {
        for (given, kept) in [
            ("abc-123_X.y:z", true),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
            ("", false),
            ("two words", false),
            ("x\"y", false),
            ("x/y", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, given.parse().unwrap());
            assert_eq!(of(&headers, Said::of(&headers), clock::now()) == given, kept, "{given}");
        }
        assert_ne!(make(), make());
    }
}

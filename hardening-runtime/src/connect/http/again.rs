//! When the other side wants to be asked again.

use std::time::{Duration, UNIX_EPOCH};

use ::http::HeaderMap;
use ::http::header::RETRY_AFTER;

/// What `Retry-After` says, in seconds or as a moment of the wall clock, which is now so long after the beginning of 1970. A moment
/// that is over is no wait.
pub(super) fn retry_after(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let said = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if said.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than there are numbers for are as many as there are.
        return (!said.is_empty()).then(|| Duration::from_secs(said.parse().unwrap_or(u64::MAX)));
    }
    let moment = httpdate::parse_http_date(said).ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(moment.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_number_of_seconds_or_a_date() {
        let now = Duration::from_secs(784_111_777);
        for (said, wait) in [
            ("0", Some(0)),
            ("6", Some(6)),
            (" 6 ", Some(6)),
            ("99999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:43 GMT", Some(6)),
            ("Sunday, 06-Nov-94 08:49:43 GMT", Some(6)),
            ("Sun Nov  6 08:49:43 1994", Some(6)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, said.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), wait.map(Duration::from_secs), "{said:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}

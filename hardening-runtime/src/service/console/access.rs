//! Who may read the console and who may act in it. Decisions alone; nothing here waits or writes.

use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::service::host;
use crate::service::problem::Problem;
use crate::settings::admin::{Admin, Open};

/// Whether a request names hosts of the service alone. Every browser names one, and old clients that name none reach probes and
/// metrics, not the console.
///
/// # Errors
/// With the answer to it.
pub(in super::super) fn check_host(parts: &Parts, names: &[String]) -> Result<(), Problem> {
    if host::named(parts).all(|named| named.is_empty() || host::is_ours(named, names)) {
        return Ok(());
    }
    Err(refused(
        "The admin listener is reached by an address, by `localhost`, or by a name of the setting `[admin] hosts`; this \
         request names another host.",
    ))
}

/// Whether a request names a host at all.
///
/// # Errors
/// With the answer to it.
pub(super) fn check_named(parts: &Parts) -> Result<(), Problem> {
    match host::named(parts).next() {
        Some(named) if !named.is_empty() => Ok(()),
        _ => Err(refused("The request names no host.")),
    }
}

/// Whether a request comes from the console's own page, or from no browser at all.
///
/// # Errors
/// With the answer to it.
pub(super) fn check_origin(parts: &Parts) -> Result<(), Problem> {
    match host::named(parts).next() {
        Some(own) if is_same_site(&parts.headers, own) => Ok(()),
        _ => Err(refused("The console answers its own page alone; this request comes from another one.")),
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN).detail(detail)
}

/// What is no browser sends neither of the two fields.
fn is_same_site(headers: &HeaderMap, own: &str) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = said("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = said("origin").is_none_or(|origin| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(own))
    });
    site && origin
}

/// The token that a request carries; `None` where it carries none. Two are a wrong one.
pub(super) fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let given = all.next()?.as_bytes();
    if all.next().is_some() {
        return Some(b"");
    }
    Some(match given.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        // Another scheme's is a wrong one.
        _ => b"",
    })
}

/// Whether the console can be read without the token, on a listener that is or is not bound to a loopback address.
pub(super) const fn is_open(admin: &Admin, loopback: bool) -> bool {
    match admin.open {
        Open::Always => true,
        Open::Loopback => loopback,
        Open::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, fields: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let names = ["ops.example".to_owned()];
        check_named(&parts).is_ok() && check_host(&parts, &names).is_ok() && check_origin(&parts).is_ok()
    }

    #[test]
    fn only_hosts_that_nobody_else_resolves_reach_the_console() {
        for (host, fine) in [
            ("127.0.0.1:9090", true),
            ("[::1]:9090", true),
            ("[::1]", true),
            ("10.1.2.3", true),
            ("localhost:9090", true),
            ("LOCALHOST", true),
            ("ops.example", true),
            ("OPS.example:443", true),
            ("evil.example:9090", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("ops.example.evil.example", false),
            ("", false),
        ] {
            assert_eq!(asked("/console", &[("host", host)]), fine, "{host}");
        }
        assert!(!asked("/console", &[]));
        assert!(asked("http://127.0.0.1:9090/console", &[]), "HTTP/2 names it in the target");
        assert!(!asked("http://evil.example/console", &[("host", "127.0.0.1")]));
        assert!(!asked("http://127.0.0.1/console", &[("host", "evil.example")]));
    }

    #[test]
    fn a_page_of_another_origin_may_not_call() {
        let own = ("host", "127.0.0.1:9090");
        for (field, value, fine) in [
            ("origin", "http://127.0.0.1:9090", true),
            ("origin", "https://127.0.0.1:9090", true),
            ("origin", "http://127.0.0.1:8080", false),
            ("origin", "http://evil.example", false),
            ("origin", "null", false),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
        ] {
            assert_eq!(asked("/console/api/state", &[own, (field, value)]), fine, "{field}: {value}");
        }
    }

    #[test]
    fn a_token_comes_as_a_bearer_s() {
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            token(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(given("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(given("bearer  abc "), Some(b"abc".to_vec()));
        assert_eq!(given("Basic YTpi"), Some(Vec::new()));
        assert_eq!(given("x"), Some(Vec::new()));
        assert_eq!(token(&HeaderMap::new()), None);
        let mut two = HeaderMap::new();
        two.append(header::AUTHORIZATION, "Bearer abc".parse().unwrap());
        two.append(header::AUTHORIZATION, "Bearer abd".parse().unwrap());
        assert_eq!(token(&two), Some(&b""[..]));
    }

    #[test]
    fn without_a_token_the_loopback_alone_is_read() {
        let admin = |open| Admin { open, ..Admin::default() };
        let read = |open| (is_open(&admin(open), true), is_open(&admin(open), false));
        assert_eq!(read(Open::Loopback), (true, false));
        assert_eq!(read(Open::Always), (true, true));
        assert_eq!(read(Open::Never), (false, false));
    }
}

//! Whom a request is for: one host, said once, as RFC 9112 section 3.2 and RFC 9113 section 8.3.1 ask.

use http::request::Parts;
use http::uri::Authority;
use http::{Version, header};

/// Refuses a request that two readers could take to be for two hosts.
pub(super) fn check(parts: &Parts) -> Result<(), &'static str> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        // HTTP/2 says it in `:authority`, which hyper makes part of the URI.
        let missing = parts.version == Version::HTTP_11;
        return if missing { Err("A `Host` header is missing.") } else { Ok(()) };
    };
    if hosts.next().is_some() {
        return Err("There is more than one `Host` header.");
    }
    let host = host.as_bytes();
    let named = !host.is_empty();
    if named && (Authority::try_from(host).is_err() || host.contains(&b'@')) {
        return Err("The `Host` header is no host.");
    }
    let other = |authority: &Authority| !authority.as_str().as_bytes().eq_ignore_ascii_case(host);
    // A proxy's absolute form overrules the header in HTTP/1; in HTTP/2 they must agree.
    if parts.version >= Version::HTTP_2 && parts.uri.authority().is_some_and(other) {
        return Err("`:authority` and `Host` differ.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(version: Version, uri: &str, hosts: &[&str]) -> Result<(), &'static str> {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_request_is_for_one_host() {
        let (one, old, two) = (Version::HTTP_11, Version::HTTP_10, Version::HTTP_2);
        for (version, uri, hosts, fine) in [
            (one, "/", &["a.example"][..], true),
            (one, "/", &["a.example:8080"], true),
            (one, "/", &["[::1]:8080"], true),
            (one, "/", &[""], true),
            (one, "/", &[], false),
            (old, "/", &[], true),
            (one, "/", &["a.example", "b.example"], false),
            (one, "/", &["a.example", "a.example"], false),
            (one, "/", &["a b"], false),
            (one, "/", &["u@a.example"], false),
            (one, "/", &["a.example/x"], false),
            (two, "http://a.example/", &[], true),
            (two, "http://a.example/", &["A.example"], true),
            (two, "http://a.example/", &["b.example"], false),
            (one, "http://a.example/", &["b.example"], true),
        ] {
            assert_eq!(said(version, uri, hosts).is_ok(), fine, "{version:?} {uri} {hosts:?}");
        }
    }
}

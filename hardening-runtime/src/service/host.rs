//! Whom a request is for: one host, said once, as RFC 9112 section 3.2 and RFC 9113 section 8.3.1 ask.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Version, header};

use super::said::Said;

/// The host that the client of a connection names first, once it is known to be one: nearly always it names no other.
#[derive(Debug, Default)]
pub(super) struct Named(OnceLock<Box<[u8]>>);

/// How long a host may be that is kept, in bytes.
const KEPT: usize = 256;

impl Named {
    /// What [`check`] says.
    pub(super) fn check(&self, parts: &Parts, said: Said) -> Result<(), &'static str> {
        let host = match (parts.uri.authority(), said.has(Said::HOST)) {
            (None, true) if !said.has(Said::HOSTS) => {
                parts.headers.get(header::HOST).map(HeaderValue::as_bytes)
            }
            (Some(authority), false) if parts.version >= Version::HTTP_2 => {
                Some(authority.as_str().as_bytes())
            }
            _ => None,
        };
        if let (Some(host), Some(named)) = (host, self.0.get())
            && *host == **named
        {
            return Ok(());
        }
        check(parts)?;
        if let Some(host) = host.filter(|host| (1..=KEPT).contains(&host.len()) && self.0.get().is_none()) {
            // Another request of the same connection may have come before.
            let _ = self.0.set(host.into());
        }
        Ok(())
    }
}

/// Refuses a request that two readers could take to be for two hosts.
pub(super) fn check(parts: &Parts) -> Result<(), &'static str> {
    // Hyper has parsed it, by a grammar that has room for a name and a password before the host (RFC 9110, section 4.2.4).
    if parts.uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("The target names a user before its host.");
    }
    if parts.uri.authority().is_some_and(|authority| !is_host(authority.as_str())) {
        return Err("The target's authority is no host.");
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        // HTTP/2 says it in `:authority`, which hyper makes part of the URI.
        let missing = parts.version == Version::HTTP_11;
        return if missing { Err("A `Host` header is missing.") } else { Ok(()) };
    };
    if hosts.next().is_some() {
        return Err("There is more than one `Host` header.");
    }
    let Some(host) = host.to_str().ok().filter(|host| host.is_empty() || is_host(host)) else {
        return Err("The `Host` header is no host.");
    };
    // A proxy's absolute form overrules the header in HTTP/1; in HTTP/2 they must agree.
    let other = |authority: &Authority| {
        let usual = if parts.uri.scheme() == Some(&Scheme::HTTPS) { "443" } else { "80" };
        !without(usual, authority.as_str()).eq_ignore_ascii_case(without(usual, host))
    };
    if parts.version >= Version::HTTP_2 && parts.uri.authority().is_some_and(other) {
        return Err("`:authority` and `Host` differ.");
    }
    Ok(())
}

/// Gives handlers the host that counts: the authority of HTTP/1's absolute form, beside which `Host` is ignored (RFC 9112, section
/// 3.2.2).
pub(super) fn overrule(parts: &mut Parts) {
    if parts.version < Version::HTTP_2
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
}

/// Whether the end of the body is where everybody sees it.
pub(super) fn is_framed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(|first| chunked(first) && codings.next().is_none())
}

/// A name or an address, and perhaps a port.
fn is_host(host: &str) -> bool {
    let (fits, port) = match host.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, port))) => (address.parse::<Ipv6Addr>().is_ok(), port),
        Some(None) => return false,
        None => {
            // RFC 3986's `reg-name`, without what is written in per cent.
            let ends = host.bytes().position(|byte| !is_of_name(byte)).unwrap_or(host.len());
            let (name, port) = host.split_at(ends);
            (!name.is_empty(), port)
        }
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    fits && (matches!(port, "" | ":") || port.strip_prefix(':').is_some_and(digits))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// The host's name or address, without its port and brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

/// A host's name or address, and its port where it says one.
#[cfg(feature = "otlp")]
pub(super) fn parts_of(host: &str) -> (&str, Option<u16>) {
    let port = host.rsplit_once(':').filter(|(before, _)| !before.contains(':') || before.ends_with(']'));
    (name_of(host), port.and_then(|(_, port)| port.parse().ok()))
}

/// Whether nobody else can have a host resolved to this machine's address: it is an address, `localhost`, or one of `names`.
/// Without this a page of another server could read the admin listener under its own name (DNS rebinding).
pub(super) fn is_ours(host: &str, names: &[String]) -> bool {
    let name = name_of(host);
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The hosts that a request names, the one that counts first.
pub(super) fn named(parts: &Parts) -> impl Iterator<Item = &str> {
    let said = parts.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    [parts.uri.authority().map(Authority::as_str), said].into_iter().flatten()
}

/// Without the port that goes without saying.
fn without<'h>(usual: &str, host: &'h str) -> &'h str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.is_empty() || port == usual => name,
        _ => host,
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "otlp")]
    #[test]
    fn a_host_is_a_name_and_perhaps_a_port() {
        for (host, name, port) in [
            ("shop.example", "shop.example", None),
            ("shop.example:8080", "shop.example", Some(8080)),
            ("shop.example:", "shop.example", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
        ] {
            assert_eq!(parts_of(host), (name, port), "{host}");
        }
    }

    fn said(version: Version, uri: &str, hosts: &[&str]) -> Result<(), &'static str> {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let (named, said) = (Named::default(), Said::of(&parts.headers));
        let checked = check(&parts);
        for other in [&parts, &parts] {
            assert_eq!(named.check(other, said), checked, "{version:?} {uri} {hosts:?}");
        }
        checked
    }

    #[test]
    fn what_a_connection_has_named_once_proves_nothing_of_other_hosts() {
        let parts = |version: Version, uri: &str, hosts: &[&str]| {
            let mut request = http::Request::builder().version(version).uri(uri);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            request.body(()).unwrap().into_parts().0
        };
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        for (version, uri, hosts) in [(one, "/", &["a.example"][..]), (two, "http://a.example/", &[])] {
            let named = Named::default();
            for (version, uri, hosts, fine) in [
                (version, uri, hosts, true),
                (version, uri, hosts, true),
                (one, "/", &["a.example", "a.example"][..], false),
                (one, "http://a.example/", &[], false),
                (one, "/", &["b.example"], true),
                (one, "/", &["b example"], false),
                (one, "http://u@a.example/", &["a.example"], false),
                (two, "http://b.example/", &["a.example"], false),
                (two, "http://a.example/", &["b.example"], false),
                (two, "http://u@a.example/", &[], false),
            ] {
                let parts = parts(version, uri, hosts);
                let checked = named.check(&parts, Said::of(&parts.headers));
                assert_eq!(checked.is_ok(), fine, "{version:?} {uri} {hosts:?}");
            }
        }
    }

    #[test]
    fn handlers_see_the_host_that_counts() {
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        for (version, uri, host, seen) in [
            (one, "http://a.example:81/x", Some("b.example"), Some("a.example:81")),
            (one, "http://a.example/x", Some(""), Some("a.example")),
            (Version::HTTP_10, "http://a.example/x", None, Some("a.example")),
            (one, "/x", Some("b.example"), Some("b.example")),
            (two, "http://a.example/x", None, None),
            (two, "http://a.example/x", Some("A.example"), Some("A.example")),
        ] {
            let mut request = http::Request::builder().version(version).uri(uri);
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            overrule(&mut parts);
            let all: Vec<_> =
                parts.headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap()).collect();
            assert_eq!(all, seen.into_iter().collect::<Vec<_>>(), "{version:?} {uri}");
        }
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
            (one, "/", &["a_b.example:"], true),
            (one, "/", &["a.example:b"], false),
            (one, "/", &["a.example:65536"], false),
            (one, "/", &["a.example:+1"], false),
            (one, "/", &[":80"], false),
            (one, "/", &["[::1]x"], false),
            (one, "/", &["[::1"], false),
            (one, "/", &["[]"], false),
            (one, "/", &["a[b]"], false),
            (one, "/", &["::1"], false),
            (one, "/", &["\u{e9}"], false),
            (two, "http://a.example/", &[], true),
            (two, "http://a.example/", &["A.example"], true),
            (two, "http://a.example/", &["b.example"], false),
            (two, "http://a.example/", &["a.example:80"], true),
            (two, "http://a.example:80/", &["a.example"], true),
            (two, "https://a.example/", &["a.example:80"], false),
            (two, "https://a.example/", &["a.example:443"], true),
            (two, "http://[::1]/", &["[::1]:80"], true),
            (two, "http://[::80]/", &["[:"], false),
            (two, "http://a.example/", &[""], false),
            (one, "http://a.example/", &["b.example"], true),
            (one, "http://user@a.example/", &["a.example"], false),
            (one, "http://user:secret@a.example/", &["a.example"], false),
            (one, "http://@a.example/", &["a.example"], false),
            (two, "http://user@a.example/", &[], false),
            (two, "http://127.0.0.1:80@evil.example/", &[], false),
            (two, "http://[::1]:443/", &[], true),
            (one, "http://a.example:/", &["a.example"], true),
        ] {
            assert_eq!(said(version, uri, hosts).is_ok(), fine, "{version:?} {uri} {hosts:?}");
        }
    }
}

//! Whatever clients say of whom a request is for.

use http::HeaderValue;

use super::*;
use crate::fuzzing::run;

const SEEDS: &[&[u8]] = &[
    b"a.example:8080",
    b"[2001:db8::7]:443",
    b"127.0.0.1",
    b"localhost:9090",
    b"ann:secret@a.example",
    b"A_b~!$&'()*+,;=.",
];
const WORDS: &[&[u8]] =
    &[b"@", b":", b"[", b"]", b"::1", b"localhost", b"127.0.0.1", b"%2F", b".evil.example", b":65536"];

fn parts(version: Version, uri: http::Uri, host: Option<HeaderValue>) -> Parts {
    let mut request = http::Request::new(());
    (*request.version_mut(), *request.uri_mut()) = (version, uri);
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    request.into_parts().0
}

fn is_alone(host: &str) {
    assert!(!host.contains(['@', '/', '\\', '?', '#', ' ', '\t']) && host.is_ascii(), "{host:?}");
    assert!(!host.contains(char::is_control), "{host:?}");
    let name = name_of(host);
    assert!(!name.is_empty() && host.contains(name), "{host:?}");
    // What is ours without any setting is an address or `localhost`, and what a browser takes it for.
    if is_ours(host, &[]) {
        let uri: http::Uri =
            format!("http://{host}/").parse().unwrap_or_else(|error| panic!("{host:?}: {error}"));
        let known = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        assert!(known.parse::<IpAddr>().is_ok() || known.eq_ignore_ascii_case("localhost"), "{host:?}");
    }
}

#[test]
fn host_field() {
    run("host", SEEDS, WORDS, |value| {
        let Ok(host) = HeaderValue::from_bytes(value) else { return };
        let parts = parts(Version::HTTP_11, http::Uri::from_static("/"), Some(host));
        if check(&parts).is_ok() && !value.is_empty() {
            is_alone(std::str::from_utf8(value).expect("text"));
        }
    });
}

#[test]
fn authority() {
    run("authority", SEEDS, WORDS, |value| {
        let text = [b"http://", value, b"/"].concat();
        let Ok(uri) = http::Uri::try_from(text) else { return };
        let Some(authority) = uri.authority().cloned() else { return };
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let host = HeaderValue::from_str(authority.as_str()).ok();
            for host in [None, host] {
                if check(&parts(version, uri.clone(), host)).is_ok() {
                    is_alone(authority.as_str());
                }
            }
        }
        if authority.as_str().contains('@') {
            assert!(check(&parts(Version::HTTP_2, uri, None)).is_err());
        }
    });
}

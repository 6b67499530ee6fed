//! Which pages of other origins may call, and what they may read.

use http::{HeaderName, Method};

use super::Http;
use super::forms;
use super::value::Value;

type Read<T> = Result<T, String>;

/// Origins as browsers write them: one that is written otherwise would let nobody in.
pub(super) fn origins(value: &Value) -> Read<Vec<String>> {
    let origins = forms::texts(value)?;
    match origins.iter().find(|origin| !is_origin(origin)) {
        None => Ok(origins),
        Some(other) => Err(format!(
            "`{other}` is no origin as browsers send it; write scheme and host in lower case and the port where it is not the \
             usual one, without a path, such as `https://shop.example`, or `*` for every origin"
        )),
    }
}

fn is_origin(text: &str) -> bool {
    if matches!(text, "*" | "null") {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let usual = matches!(
        (scheme, authority.rsplit_once(':')),
        ("https", Some((_, "443"))) | ("http", Some((_, "80")))
    );
    let of_scheme =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.');
    let of_host =
        |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@*,\\".contains(&byte);
    !usual
        && scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(of_scheme)
        && !authority.is_empty()
        && authority.bytes().all(of_host)
}

/// Methods, which are written in capitals: browsers tell them apart.
pub(super) fn methods(value: &Value) -> Read<Vec<Method>> {
    let names = forms::texts(value)?;
    let read = |name: &String| {
        let read = Method::from_bytes(name.as_bytes()).ok().filter(|_| *name == name.to_ascii_uppercase());
        read.filter(|_| name != "*")
            .ok_or_else(|| format!("`{name}` is no method; write methods such as `[\"PUT\", \"DELETE\"]`"))
    };
    names.iter().map(read).collect()
}

/// Names of header fields.
pub(super) fn fields(value: &Value) -> Read<Vec<HeaderName>> {
    let names = forms::texts(value)?;
    let read = |name: &String| {
        let read = HeaderName::try_from(name.as_str()).ok().filter(|_| name != "*");
        read.ok_or_else(|| {
            format!("`{name}` is no name of a header field; write names such as `[\"x-total-count\"]`")
        })
    };
    names.iter().map(read).collect()
}

/// Whether these settings fit together.
///
/// # Errors
/// Where every page there is could act with its visitors' cookies.
pub(crate) fn check(http: &Http) -> Result<(), String> {
    if http.cors_credentials && http.cors_origins.iter().any(|origin| matches!(origin.as_str(), "*" | "null"))
    {
        return Err(
            "`http.cors_credentials` beside `*` or `null` in `http.cors_origins` lets every page there is act as its visitor: \
             name the origins"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for origin in [
            "*",
            "null",
            "https://shop.example",
            "http://localhost:3000",
            "https://[::1]:8443",
            "http://shop.example:443",
            "chrome-extension://abcdef",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "shop.example",
            "//shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://Shop.example",
            "HTTPS://shop.example",
            "https://*.example",
            "https://user@shop.example",
            "https://shop.example?a",
            "https://a.example, https://b.example",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}

//! What a request says of itself for `#[idempotent]`: its key, and what its client shows to be known by.
//!
//! Source: the IETF draft "The Idempotency-Key HTTP Header Field", where the field is a String of RFC 9651, with parameters that
//! nothing is said of.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::policy::idempotency::{Credentials, Presented};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key of a request: `k9` of `"k9"`, of `"k9";a=1`, and where `bare` says so of `k9`. `None` for what cannot be read, an empty
/// one, and two of them.
pub(super) fn read(headers: &HeaderMap, bare: bool) -> Option<String> {
    let mut fields = headers.get_all(IDEMPOTENCY_KEY).iter();
    let field = fields.next().filter(|_| fields.next().is_none())?;
    let field = field.as_bytes().trim_ascii();
    let (key, rest) = match field.split_first()? {
        (b'"', quoted) => string(quoted)?,
        _ if bare => {
            let (key, rest) = token(field);
            (String::from_utf8(key.to_vec()).ok()?, rest)
        }
        _ => return None,
    };
    (!key.is_empty() && are_parameters(rest)).then_some(key)
}

/// What the client of a request without a principal shows. Its fields are kept, and their digest is made once somebody asks.
pub(super) fn shown(headers: &HeaderMap) -> Presented {
    let of =
        |kind: u8, name: &HeaderName| headers.get_all(name).iter().map(move |value| (kind, value.clone()));
    let fields = of(AS_TOKEN, &AUTHORIZATION).chain(of(AS_KEY, &API_KEY)).chain(of(AS_COOKIE, &COOKIE));
    let fields: Vec<(u8, HeaderValue)> = fields.collect();
    if fields.is_empty() { Presented::NOTHING } else { Presented::new(move || credentials(&fields)) }
}

/// What a field is, in digests.
const AS_TOKEN: u8 = 0;
const AS_KEY: u8 = 1;
const AS_COOKIE: u8 = 2;

/// A digest of fields. Cookies are told apart one by one: HTTP/2 may send each in a field of its own, and nothing orders them.
fn credentials(fields: &[(u8, HeaderValue)]) -> Credentials {
    let (cookies, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(kind, _)| *kind == AS_COOKIE);
    let cookies = cookies.iter().flat_map(|(_, field)| field.as_bytes().split(|byte| *byte == b';'));
    let mut cookies: Vec<&[u8]> = cookies.map(<[u8]>::trim_ascii).collect();
    cookies.retain(|cookie| !cookie.is_empty());
    cookies.sort_unstable();
    let shown = others.iter().map(|(kind, field)| (*kind, field.as_bytes()));
    Credentials::of(shown.chain(cookies.into_iter().map(|text| (AS_COOKIE, text))))
}

/// What stands in quotes of which the first has been taken, and what comes behind the last.
fn string(quoted: &[u8]) -> Option<(String, &[u8])> {
    let (mut text, mut left) = (String::new(), quoted.iter());
    loop {
        match left.next()? {
            b'"' => return Some((text, left.as_slice())),
            b'\\' => text.push(char::from(*left.next().filter(|byte| matches!(byte, b'"' | b'\\'))?)),
            byte @ b' '..=b'~' => text.push(char::from(*byte)),
            _ => return None,
        }
    }
}

/// The longest beginning that is made of the bytes of a Token, and the rest.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let of_a_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(byte);
    text.split_at(text.iter().position(|byte| !of_a_token(byte)).unwrap_or(text.len()))
}

/// Whether a text is `;a=1;b` and so on, or nothing.
fn are_parameters(mut text: &[u8]) -> bool {
    while let Some(parameter) = text.strip_prefix(b";") {
        let Some(rest) = after_parameter(parameter.trim_ascii_start()) else { return false };
        text = rest;
    }
    text.is_empty()
}

/// What comes behind the parameter that a text begins with.
fn after_parameter(text: &[u8]) -> Option<&[u8]> {
    let of_a_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(byte);
    let (name, rest) = text.split_at(text.iter().position(|byte| !of_a_name(byte)).unwrap_or(text.len()));
    if !name.first().is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*') {
        return None;
    }
    let Some(value) = rest.strip_prefix(b"=") else { return Some(rest) };
    match value.split_first()? {
        (b'"', quoted) => Some(string(quoted)?.1),
        // Bytes in Base64, between colons.
        (b':', bytes) => Some(&bytes[bytes.iter().position(|byte| *byte == b':')? + 1..]),
        (b'?', flag) => matches!(flag.first()?, b'0' | b'1').then(|| &flag[1..]),
        (b'@', date) => Some(token(date)).filter(|(digits, _)| !digits.is_empty()).map(|(_, rest)| rest),
        // A number, or a Token.
        _ => Some(token(value)).filter(|(value, _)| !value.is_empty()).map(|(_, rest)| rest),
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn key(fields: &[&str], bare: bool) -> Option<String> {
        let fields: Vec<_> = fields.iter().map(|field| ("idempotency-key", field.as_bytes())).collect();
        read(&of(&fields), bare)
    }

    #[test]
    fn a_key_is_a_string_whose_parameters_say_nothing() {
        for (field, expected) in [
            (r#""k9""#, "k9"),
            (r#" "k9" "#, "k9"),
            (r#""k9";a=1"#, "k9"),
            (r#""k9"; a;b=?0;*c="x;\"y";d=:aGk=:;e=-1.5;f=tok/en;g=@1659578233"#, "k9"),
            (r#""a\"b\\c""#, "a\"b\\c"),
            (r#"" k 9,""#, " k 9,"),
            (r#""8e03978e-40d5-43e8-bc93-6894a57f9324""#, "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ] {
            for bare in [true, false] {
                assert_eq!(key(&[field], bare).as_deref(), Some(expected), "{field}");
            }
        }
        for field in ["k9", "k9;a=1", "8e03978e-40d5-43e8-bc93-6894a57f9324", "*a/b:c"] {
            assert_eq!(key(&[field], true).as_deref(), field.split(';').next(), "{field}");
            assert_eq!(key(&[field], false), None, "{field}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for field in [
            "",
            " ",
            r#""""#,
            r#"""#,
            r#""a"#,
            r#""a\""#,
            r#""a\b""#,
            r#""a"b"#,
            r#""a" "b""#,
            r#""a","b""#,
            "a,b",
            "a b",
            ";a=1",
            r#"a"b""#,
            r#""a";"#,
            r#""a";A"#,
            r#""a";b="#,
            r#""a";b="c"#,
            r#""a";b=:c"#,
            r#""a";b=?2"#,
            r#""a" ;b"#,
            "\"a\tb\"",
            "\"\u{e9}\"",
            "\u{e9}",
            "(a)",
            ":aGk=: x",
        ] {
            assert_eq!(key(&[field], true), None, "{field}");
        }
        assert_eq!(read(&of(&[("idempotency-key", b"\"a\xff\"")]), true), None);
        assert_eq!(key(&[], true), None);
        assert_eq!(key(&[r#""a""#, r#""a""#], true), None, "two are none");
    }

    #[test]
    fn whatever_is_sent_is_read_and_what_is_written_is_read_back() {
        let mut random = fastrand::Rng::with_seed(13);
        let alphabet = b"ab9\"\\;=:?@, *\t.-~\xe9";
        for _ in 0..50_000 {
            let noise: Vec<u8> = (0..random.usize(..24)).map(|_| *random.choice(alphabet).unwrap()).collect();
            if let Some(key) = read(&of(&[("idempotency-key", &noise)]), true) {
                assert!(!key.is_empty() && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{key:?}");
            }
            let text: String = (0..=random.usize(..24)).map(|_| char::from(random.u8(b' '..=b'~'))).collect();
            let written = format!("\"{}\";a", text.replace('\\', "\\\\").replace('"', "\\\""));
            assert_eq!(key(&[&written], false), Some(text));
        }
    }

    #[test]
    fn credentials_are_the_same_whatever_version_of_http_sends_them() {
        let cookie = |fields: &[&'static str]| {
            let fields: Vec<_> = fields.iter().map(|field| ("cookie", field.as_bytes())).collect();
            super::shown(&of(&fields)).digest()
        };
        let both = cookie(&["a=1; b=2"]);
        assert_eq!(both, cookie(&["a=1", "b=2"]));
        assert_eq!(both, cookie(&["b=2;a=1;"]));
        assert_ne!(both, cookie(&["a=1; b=3"]));
        assert_ne!(both, cookie(&["a=1b=2"]));
        let shown = |name, text: &'static str| super::shown(&of(&[(name, text.as_bytes())])).digest();
        assert_ne!(shown("authorization", "a"), shown("cookie", "a"));
        assert_ne!(shown("authorization", "a"), shown("x-api-key", "a"));
        assert_ne!(shown("authorization", ""), Credentials::NONE);
        assert_eq!(super::shown(&HeaderMap::new()).digest(), Credentials::NONE);
        assert_eq!(cookie(&["; "]), Credentials::NONE);
    }
}

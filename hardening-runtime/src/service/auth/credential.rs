//! What a request shows of its caller.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

/// The field of API keys.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest credential that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown<'r> {
    Nothing,
    /// `x-api-key: …` or `authorization: ApiKey …`.
    ApiKey(&'r str),
    /// `authorization: Bearer …`.
    Token(&'r str),
    /// More than one, or nothing that can be one.
    Unfit,
}

/// Reads a request's head. Two credentials are none: which of them counts would be a matter of taste, and of the
/// proxy before us.
pub(super) fn shown(headers: &HeaderMap) -> Shown<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter().map(|value| (true, value));
    let mut keys = headers.get_all(API_KEY).iter().map(|value| (false, value));
    let first = fields.next().or_else(|| keys.next());
    let Some((is_authorization, value)) = first else { return Shown::Nothing };
    if fields.next().is_some() || keys.next().is_some() || value.len() > LONGEST {
        return Shown::Unfit;
    }
    let Ok(text) = value.to_str() else { return Shown::Unfit };
    let (scheme, credential) = if is_authorization {
        let Some((scheme, credential)) = text.split_once(' ') else { return Shown::Unfit };
        (scheme, credential.trim_start_matches(' '))
    } else {
        ("apikey", text)
    };
    if credential.is_empty() || !credential.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Shown::Unfit;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        Shown::Token(credential)
    } else if scheme.eq_ignore_ascii_case("apikey") {
        Shown::ApiKey(credential)
    } else {
        Shown::Unfit
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &str)]) -> &'static str {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        match shown(&headers) {
            Shown::Nothing => "nothing",
            Shown::ApiKey("k") => "key",
            Shown::Token("t") => "token",
            Shown::ApiKey(_) | Shown::Token(_) => "another",
            Shown::Unfit => "unfit",
        }
    }

    #[test]
    fn one_credential_is_read_and_two_are_none() {
        let long = "x".repeat(LONGEST + 1);
        for (fields, expected) in [
            (&[][..], "nothing"),
            (&[("accept", "x")], "nothing"),
            (&[("x-api-key", "k")], "key"),
            (&[("authorization", "ApiKey k")], "key"),
            (&[("authorization", "apikey  k")], "key"),
            (&[("authorization", "BEARER t")], "token"),
            (&[("authorization", "Basic dTpw")], "unfit"),
            (&[("authorization", "Bearer")], "unfit"),
            (&[("authorization", "Bearer ")], "unfit"),
            (&[("authorization", "Bearer a b")], "unfit"),
            (&[("authorization", "")], "unfit"),
            (&[("x-api-key", "")], "unfit"),
            (&[("x-api-key", "k\u{e9}")], "unfit"),
            (&[("x-api-key", &long)], "unfit"),
            (&[("x-api-key", "k"), ("x-api-key", "k")], "unfit"),
            (&[("authorization", "Bearer t"), ("authorization", "Bearer t")], "unfit"),
            (&[("authorization", "Bearer t"), ("x-api-key", "k")], "unfit"),
        ] {
            assert_eq!(of(fields), expected, "{fields:?}");
        }
    }
}

//! Signs that are written as `%3D`, `\u003d` or `&quot;`, since the text went through another format before.

use std::ops::Range;

use super::named::name_before;
use super::scan::IsSecret;
use super::value::{ends_value, is_told};

const QUOTES: [&str; 7] = ["%22", "%27", "%2522", "\\u0022", "\\u0027", "&quot;", "&#34;"];

/// What ends a value that follows an encoded sign.
const ENDS: [&str; 12] =
    ["%22", "%26", "%2C", "%3B", "%0A", "%0D", "%20", "%7D", "%2526", "\\u0022", "\\u0026", "\\n"];

/// The hexadecimal digits after `\u`, at the beginning of what would be a name.
pub(super) fn is_unicode(name: &[u8]) -> bool {
    name.len() > 5 && name[0] == b'u' && name[1..5].iter().all(u8::is_ascii_hexdigit)
}

fn begins(text: &str, with: &str) -> bool {
    text.as_bytes().get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

/// How long the blanks are that `text` begins with.
pub(super) fn blanks(text: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = &text[length..];
        length += match rest.as_bytes().first() {
            Some(b' ' | b'\t' | b'+') => 1,
            Some(b'%') if begins(rest, "%20") || begins(rest, "%09") => 3,
            Some(b'\\') if begins(rest, "\\t") => 2,
            _ => return length,
        };
    }
}

/// `end`, or where the encoded quote begins that stands before it.
pub(super) fn before_quotes(text: &str, end: usize) -> usize {
    let before = &text.as_bytes()[..end];
    // An encoded quote ends with one of these.
    if !matches!(before.last(), Some(b'2' | b'7' | b';')) {
        return end;
    }
    let quote = QUOTES.iter().find(|quote| before.ends_with(quote.as_bytes()));
    quote.map_or(end, |quote| end - quote.len())
}

/// What stands between encoded quotes that open at `start`.
pub(super) fn quotation(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    if !rest.starts_with(['%', '\\', '&']) {
        return None;
    }
    let quote = QUOTES.iter().find(|quote| begins(rest, quote))?;
    let from = start + quote.len();
    Some(from..text[from..].find(quote).map_or(text.len(), |end| from + end))
}

/// The value after an encoded sign, which stands at `at`.
pub(super) fn named(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let length = sign(&text[at..])?;
    let from = at + length;
    if begins(&text[from..], "%2F%2F") {
        return user_information(text, from + 6);
    }
    let name = name_before(text, at);
    if name.is_empty() || !is_secret(&text[name]) || is_told(text, from, false) {
        return None;
    }
    let start = from + blanks(&text[from..]);
    quotation(text, start).or_else(|| Some(start..end(text, start))).filter(|value| !value.is_empty())
}

/// The length of an encoded `=` or `:`.
fn sign(text: &str) -> Option<usize> {
    let signs = ["%3D", "%3A", "%253D", "%253A", "\\u003d", "\\u003a"];
    signs.iter().find(|sign| begins(text, sign)).map(|sign| sign.len())
}

/// Where a value ends that is not quoted, except for blanks after a scheme.
fn end(text: &str, start: usize) -> usize {
    let scheme = ["bearer", "basic"].iter().find(|scheme| begins(&text[start..], scheme));
    let mut from = start;
    if let Some(scheme) = scheme {
        from += scheme.len() + blanks(&text[start + scheme.len()..]);
    }
    let found = text[from..].char_indices().find(|(at, c)| {
        let rest = &text[from + at..];
        ends_value(*c) || matches!(c, '%' | '\\') && ENDS.iter().any(|end| begins(rest, end))
    });
    found.map_or(text.len(), |(at, _)| from + at)
}

/// `user:password` of an encoded URL, whose authority begins at `from`.
fn user_information(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = &text[from..];
    let length = rest
        .char_indices()
        .find(|(at, c)| ends_value(*c) || *c == '%' && begins(&rest[*at..], "%2F"))
        .map_or(rest.len(), |(at, _)| at);
    let end = rest[..length].rfind("%40")?;
    Some(from..from + end)
}

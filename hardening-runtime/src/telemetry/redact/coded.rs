//! Signs that are written as `%3D`, `\u003d` or `&quot;`, since the text went through another format before.

use std::ops::Range;

use super::name::Name;
use super::scan::IsSecret;
use super::value::{self, Extent, ends_value};
use super::{spared, steps, urls};

const QUOTES: [&str; 10] =
    ["%22", "%27", "%2522", "\\u0022", "\\u0027", "\\x22", "&quot;", "&#34;", "&#39;", "&apos;"];

/// What ends a value that follows an encoded sign.
const ENDS: [&str; 15] = [
    "%22", "%26", "%2C", "%3B", "%0A", "%0D", "%20", "%7D", "%3C", "%2526", "\\u0022", "\\u0026", "\\u003c",
    "\\n", "\\r",
];

/// What ends a line.
const LINES: [&str; 6] = ["%0A", "%0D", "%26", "\\u0026", "\\n", "\\r"];

/// How the signs around a name are written in markup that went through another format.
const TAGS: [(&str, &str); 3] = [("&lt;", "&gt;"), ("%3C", "%3E"), ("\\u003c", "\\u003e")];

pub(super) fn begins(text: &str, with: &str) -> bool {
    text.as_bytes().get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

/// How long the blanks are that `text` begins with.
pub(super) fn blanks(text: &str) -> usize {
    const CODED: [&str; 6] = ["%20", "%09", "%2520", "\\u0020", "\\u0009", "\\t"];
    let mut length = 0;
    loop {
        steps::look(1);
        let rest = &text[length..];
        length += match rest.as_bytes().first() {
            Some(b' ' | b'\t' | b'+') => 1,
            Some(b'%' | b'\\') => match CODED.iter().find(|blank| begins(rest, blank)) {
                Some(blank) => blank.len(),
                None => return length,
            },
            Some(byte) if !byte.is_ascii() => match rest.chars().next().filter(|c| steps::is_blank(*c)) {
                Some(blank) => blank.len_utf8(),
                None => return length,
            },
            _ => return length,
        };
    }
}

/// Where what is between encoded quotes begins that open at `start`, or `start`.
pub(super) fn within_quotes(text: &str, start: usize) -> usize {
    let start = start + blanks(&text[start..]);
    let quote = QUOTES.iter().find(|quote| begins(&text[start..], quote));
    quote.map_or(start, |quote| start + quote.len())
}

/// What stands between encoded quotes that open at `start`.
pub(super) fn quotation(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    if !rest.starts_with(['%', '\\', '&']) {
        return None;
    }
    let quote = QUOTES.iter().find(|quote| begins(rest, quote))?;
    let from = start + quote.len();
    let mut end = from;
    loop {
        end += match steps::find(&text[end..], quote) {
            Some(length) => length,
            None => return Some(from..text.len()),
        };
        // One that is escaped ends nothing.
        if !text[from..end].ends_with("%5C") && !text[from..end].ends_with("\\u005c") {
            return Some(from..end);
        }
        end += quote.len();
    }
}

/// The value after an encoded sign, or in encoded markup, which stands at `at`.
pub(super) fn named(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let Some(length) = sign(&text[at..]) else {
        return element(text, at, is_secret);
    };
    let from = at + length;
    if begins(&text[from..], "%2F%2F") {
        return user_information(text, from + 6);
    }
    let name = Name::before(text, at);
    if name.is("response") {
        return value::response(text, from);
    }
    if !name.is_secret(text, is_secret) {
        return None;
    }
    let extent = Extent::after(&name.text, true, None);
    let start = from + blanks(&text[from..]);
    let plain = steps::unescaped(&text[start..]).starts_with(['"', '\'']);
    let value = if plain {
        value::after(text, start, extent)?
    } else {
        let line = !matches!(extent, Extent::Word);
        quotation(text, start).unwrap_or_else(|| start..end(text, start, line))
    };
    spared::unless(text, from, value, extent, false).filter(|value| !value.is_empty())
}

/// The length of an encoded `=` or `:`.
fn sign(text: &str) -> Option<usize> {
    const SIGNS: [&str; 13] = [
        "%3D", "%3A", "%253D", "%253A", "\\u003d", "\\u003a", "\\x3d", "\\x3a", "&#61;", "&#58;", "&#x3d;",
        "&#x3a;", "&equals;",
    ];
    SIGNS.iter().find(|sign| begins(text, sign)).map(|sign| sign.len())
}

/// Where a value ends that is not quoted, except for blanks after a scheme; with its `line` if it has that much.
fn end(text: &str, start: usize, line: bool) -> usize {
    let scheme = ["bearer", "basic"].iter().find(|scheme| begins(&text[start..], scheme));
    let mut from = start;
    if let Some(scheme) = scheme {
        from += scheme.len() + blanks(&text[start + scheme.len()..]);
    }
    let plain = text.as_bytes().get(start.wrapping_sub(1)).is_some_and(|byte| *byte == b' ');
    let found = text[from..].char_indices().find(|(at, c)| {
        let rest = &text[from + at..];
        let ends = |ends: &[&str]| matches!(c, '%' | '\\') && ends.iter().any(|end| begins(rest, end));
        match (line, plain) {
            (true, true) => matches!(c, '\n' | '\r' | '"' | '\'' | '`') || ends(&LINES),
            (true, false) => c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '&') || ends(&LINES),
            _ => ends_value(*c) || ends(&ENDS),
        }
    });
    let end = found.map_or(text.len(), |(at, _)| from + at);
    steps::look(end - start);
    end
}

/// `user:password` of an encoded URL, whose authority begins at `from`.
fn user_information(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = &text[from..];
    let length = rest
        .char_indices()
        .find(|(at, c)| ends_value(*c) || *c == '%' && begins(&rest[*at..], "%2F"))
        .map_or(rest.len(), |(at, _)| at);
    steps::look(length);
    let end = rest[..length].rfind("%40")?;
    (!urls::is_user(&rest[..end])).then_some(from..from + end)
}

/// The text of `&lt;password&gt;…&lt;/password&gt;`.
fn element(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let (open, close) = TAGS.iter().find(|(open, _)| begins(&text[at..], open))?;
    let from = at + open.len();
    let length =
        text[from..].bytes().take(96).take_while(|byte| super::name::of_name(*byte) || *byte == b':').count();
    steps::look(length);
    let name = &text[from..from + length];
    if name.is_empty() || !begins(&text[from + length..], close) || !is_secret(name) {
        return None;
    }
    let start = from + length + close.len();
    let end = text[start..]
        .char_indices()
        .find(|(at, c)| matches!(c, '%' | '\\' | '&') && begins(&text[start + at..], open));
    let end = end.map_or(text.len(), |(at, _)| start + at);
    steps::look(end - start);
    (end > start).then_some(start..end)
}

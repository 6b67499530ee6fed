//! Values that stand after a name: `name=value` and what is like it.

use std::ops::Range;

use super::scan::IsSecret;
use super::value::{self, Extent};
use super::{coded, words};

/// The longest name that is looked at. Bounded, since an encoded sign does not end the name before it.
const LONGEST_NAME: usize = 96;

pub(super) const fn of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%')
}

/// Where the name stands that ends at `end`: `password`, `"password"`, `\"password\"` or `%22password%22`.
pub(super) fn name_before(text: &str, end: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let mut end = end;
    let mut back = |skip: fn(u8) -> bool| {
        while end > 0 && skip(bytes[end - 1]) {
            end -= 1;
        }
        end
    };
    back(|byte| matches!(byte, b' ' | b'\t'));
    back(|byte| matches!(byte, b'"' | b'\'' | b'`' | b']'));
    let end = coded::before_quotes(text, back(|byte| byte == b'\\'));
    let from = end.saturating_sub(LONGEST_NAME);
    let start = bytes[from..end].iter().rposition(|byte| !of_name(*byte)).map_or(from, |at| from + at + 1);
    // `a%26password`: what is encoded is a sign.
    let start = text[start..end].rfind('%').map_or(start, |at| (start + at + 3).min(end));
    // `\u0022password`, whose backslash ended the name.
    let quoted = start > 0 && bytes[start - 1] == b'\\' && coded::is_unicode(&bytes[start..end]);
    if quoted { start + 5..end } else { start..end }
}

/// The value after `name=`, `name: ` and what is like them; the sign stands at `at`.
pub(super) fn named(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // `secret::Error`, `secret://file/…`, `a == b`.
    let next = bytes.get(at + 1).copied();
    if next == Some(bytes[at]) || at > 0 && bytes[at - 1] == bytes[at] {
        return None;
    }
    let name = name_before(text, at);
    let from = if next == Some(b'>') { at + 2 } else { at + 1 };
    if text[name.clone()].eq_ignore_ascii_case("response") {
        return value::digest(text, from);
    }
    if name.is_empty() || !is_secret(&text[name.clone()]) {
        return None;
    }
    let before = name.start.checked_sub(1).map(|before| bytes[before]);
    // "`admin.token`: the environment has no …" is a message about the name.
    let about = bytes[at] == b':' && before == Some(b'`') && bytes[name.end] == b'`';
    if value::is_told(text, from, about) {
        return None;
    }
    let ends = |word| words::ends_with(&text[name.clone()], word);
    let extent = match (ends("cookie"), bytes[at]) {
        (true, b':') => Extent::Line(before),
        (true, _) => Extent::List(b';'),
        (false, b':') if ends("authorization") => Extent::Line(before),
        _ => Extent::Word,
    };
    value::after(text, from, extent)
}

/// The second text of `("name", "value")` and of `"name","value":"…"`; the comma stands at `at`.
pub(super) fn pair(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let rest = text[at + 1..].trim_start();
    if !rest.starts_with('"') || !is_secret(&text[name_before(text, at)]) {
        return None;
    }
    let mut from = at + 1;
    if let Some(named) = rest.strip_prefix("\"value\"") {
        let named = named.trim_start().strip_prefix(':')?;
        from = text.len() - named.len();
    }
    value::after(text, from, Extent::Word)
}

/// The word after `--password`; the first dash stands at `at`.
pub(super) fn option(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let apart = at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'`');
    if !apart {
        return None;
    }
    let length = bytes[at + 2..].iter().take_while(|byte| of_name(**byte)).count();
    let end = at + 2 + length;
    let another = bytes.get(end) == Some(&b' ') && bytes.get(end + 1).is_some_and(|byte| *byte != b'-');
    if !another || !is_secret(&text[at + 2..end]) || value::is_told(text, end, true) {
        return None;
    }
    value::after(text, end, Extent::Word)
}

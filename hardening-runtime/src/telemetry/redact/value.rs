//! How far a value goes.

use std::ops::Range;

use super::{REDACTED, coded};

/// How much belongs to a value that is neither quoted nor in brackets.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// A word.
    Word,
    /// Words that are parted by this sign and blanks.
    List(u8),
    /// The line, or up to the quote that stands before the name.
    Line(Option<u8>),
}

/// Schemes of `authorization`, and what parts the parameters of those that have some.
const SCHEMES: [(&str, Option<u8>); 10] = [
    ("bearer", None),
    ("basic", None),
    ("token", None),
    ("apikey", None),
    ("negotiate", None),
    ("ntlm", None),
    ("dpop", None),
    ("digest", Some(b',')),
    ("hawk", Some(b',')),
    ("aws4-hmac-sha256", Some(b',')),
];

/// Words that say something of a secret and are none: where a value is not quoted, only its first word would be replaced, and
/// that would be one of these.
const SAYING: &[&str] = &[
    "a",
    "absent",
    "allowed",
    "an",
    "and",
    "are",
    "at",
    "be",
    "but",
    "can",
    "cannot",
    "could",
    "denied",
    "does",
    "each",
    "empty",
    "expected",
    "expired",
    "failed",
    "for",
    "found",
    "from",
    "has",
    "in",
    "invalid",
    "is",
    "it",
    "its",
    "malformed",
    "may",
    "missing",
    "must",
    "neither",
    "no",
    "not",
    "of",
    "on",
    "only",
    "optional",
    "or",
    "refused",
    "required",
    "set",
    "should",
    "the",
    "there",
    "to",
    "too",
    "two",
    "unexpected",
    "unknown",
    "unset",
    "unsupported",
    "value",
    "was",
    "with",
    "wrong",
    "your",
];

/// More than any of these and of the next.
const LONGEST_SAYING: usize = 20;

/// What stands for a value that is not there, and types.
const NOTHING: &[&str] =
    &["null", "none", "nil", "true", "false", "undefined", "&str", "str", "string", "bool", "usize", "u64"];

/// Whether what stands at or after `from` may be told: a reference to a secret, a word for no value, or a sentence. `about`
/// says that the sentence follows a name in backticks or an option, where any two plain words are one.
pub(super) fn is_told(text: &str, from: usize, about: bool) -> bool {
    let rest = text[from..].trim_start_matches([' ', '\t']);
    let bare = rest.trim_start_matches('\\');
    let inside = bare.strip_prefix(['"', '\'', '`']).unwrap_or(bare);
    if inside.starts_with("secret://") {
        return true;
    }
    if let Some(name) = inside.strip_prefix("${") {
        let length = name.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        return length > 0 && name[length..].starts_with('}');
    }
    // Bounded, since the value itself may end earlier than its first word.
    let length: usize =
        rest.chars().take(LONGEST_SAYING).take_while(|c| !ends_value(*c)).map(char::len_utf8).sum();
    let word = &rest[..length];
    let after = &rest[word.len()..];
    let is = |list: &[&str]| list.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(NOTHING) && !after.starts_with(['"', '\'', '(', '{']) {
        return true;
    }
    let blank = text[from..].len() > rest.len();
    let word = word.trim_end_matches(['.', ':']);
    let saying =
        SAYING.contains(&word) && (after.is_empty() || after.starts_with([' ', ',', ';', ')', '\n']));
    let next = after.strip_prefix(' ').and_then(|after| after.bytes().next());
    let plain = (1..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let sentence = plain && next.is_some_and(|next| next.is_ascii_lowercase() || next == b'`');
    blank && (saying || about && sentence)
}

/// The response of HTTP's digest authentication: 32 or 64 hexadecimal digits.
pub(super) fn digest(text: &str, from: usize) -> Option<Range<usize>> {
    let start = from + text[from..].bytes().take_while(|byte| matches!(byte, b' ' | b'\\' | b'"')).count();
    let digits = text[start..].bytes().take(65).take_while(u8::is_ascii_hexdigit).count();
    matches!(digits, 32 | 64).then_some(start..start + digits)
}

/// A value that begins at or after `from`: quoted, in brackets, or as much as `extent` says.
pub(super) fn after(text: &str, from: usize, extent: Extent) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = from + bytes[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let slashes = bytes[start..].iter().take_while(|byte| **byte == b'\\').count();
    let open = start + slashes;
    if let Some(value) = coded::quotation(text, start) {
        return Some(value).filter(|inside| !inside.is_empty());
    }
    match bytes.get(open).copied() {
        None | Some(b'\n' | b'\r') => None,
        Some(quote @ (b'"' | b'\'' | b'`')) => inside(bytes, open, quote, slashes),
        Some(_) if text[start..].starts_with(REDACTED) => Some(start..start + REDACTED.len()),
        Some(b'(' | b'[' | b'{') => Some(start..bracketed(bytes, start)),
        Some(_) => {
            let rest = &text[start..];
            let word = start + rest.find(ends_value).unwrap_or(rest.len());
            let end = match bytes.get(word) {
                // `b"…"`.
                Some(quote @ (b'"' | b'\'')) if matches!(&text[start..word], "b" | "r" | "br" | "u") => {
                    return inside(bytes, word, *quote, 0);
                }
                // `Some("…")`.
                Some(b'(' | b'{') => bracketed(bytes, word),
                _ => word,
            };
            let end = match extent {
                Extent::Word => end,
                Extent::List(sign) => end.max(list(bytes, start, sign)),
                Extent::Line(before) => end.max(line(bytes, start, before)),
            };
            Some(start..end.max(credentials(text, start..word))).filter(|word| !word.is_empty())
        }
    }
}

fn inside(bytes: &[u8], open: usize, quote: u8, slashes: usize) -> Option<Range<usize>> {
    Some(open + 1..quoted(bytes, open, quote, slashes)).filter(|inside| !inside.is_empty())
}

/// The end of what follows a scheme that stands for a value.
fn credentials(text: &str, scheme: Range<usize>) -> usize {
    let word = &text[scheme.clone()];
    let Some((_, sign)) = SCHEMES.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)) else {
        return scheme.end;
    };
    let start = scheme.end + coded::blanks(&text[scheme.end..]);
    match sign {
        _ if start == scheme.end => start,
        Some(sign) => list(text.as_bytes(), start, *sign),
        None => start + text[start..].find(ends_value).unwrap_or(text.len() - start),
    }
}

/// Where the line ends that a header's value is: at its end, be it written as an escape, or at a quote that opens no value.
fn line(bytes: &[u8], start: usize, before: Option<u8>) -> usize {
    let before = before.filter(|byte| matches!(byte, b'\'' | b'`'));
    ended(bytes, start, |at| Some(bytes[at]) == before)
}

/// Where the words end that are parted by `sign`.
fn list(bytes: &[u8], start: usize, sign: u8) -> usize {
    ended(bytes, start, |at| match bytes[at] {
        b' ' | b'\t' => at > start && !matches!(bytes[at - 1], b' ' | b'\t') && bytes[at - 1] != sign,
        b'&' | b')' | b'}' | b']' => true,
        other => other != sign && matches!(other, b';' | b','),
    })
}

fn ended(bytes: &[u8], start: usize, ends: impl Fn(usize) -> bool) -> usize {
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' | b'\n' => return at,
            b'\\' if matches!(bytes.get(at + 1), Some(b'r' | b'n')) => return at,
            b'"' | b'\\' => {
                let slashes = bytes[at..].iter().take_while(|byte| **byte == b'\\').count();
                let open = at + slashes;
                if bytes.get(open) == Some(&b'"') {
                    if at == start || bytes[at - 1] != b'=' {
                        return at;
                    }
                    at = quoted(bytes, open, b'"', slashes) + slashes;
                } else {
                    at = open - 1;
                }
            }
            _ if ends(at) => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

pub(super) fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | ',' | ';' | '&' | '(' | ')' | '{' | '}' | ']' | '<' | '>')
}

/// Where the quotation that opens at `open` ends, `slashes` being those before the quote; the end of the text if nowhere.
fn quoted(bytes: &[u8], open: usize, quote: u8, slashes: usize) -> usize {
    let mut before = 0;
    for (at, byte) in bytes.iter().enumerate().skip(open + 1) {
        if *byte == quote && before <= slashes {
            return at - before;
        }
        before = if *byte == b'\\' { before + 1 } else { 0 };
    }
    bytes.len()
}

/// Where the bracket that opens at `open` is closed; the end of the text if nowhere.
fn bracketed(bytes: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0_usize, open);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => at = quoted(bytes, at, b'"', 0),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
